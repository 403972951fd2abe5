using System.Diagnostics;

namespace Ds2.Tests.Data;

/// <summary>Files that are pipes, as a shell's <c>&lt;(…)</c> gives them.</summary>
internal static class Pipe
{
    /// <summary>Makes a named pipe.</summary>
    public static void Make(string path)
    {
        using Process mkfifo = Process.Start("mkfifo", [path]);
        mkfifo.WaitForExit();
    }

    /// <summary>Runs what reads a pipe, while content is written into it.</summary>
    /// <param name="path">Where it is made, unless it is there.</param>
    /// <param name="content">What comes through it.</param>
    /// <param name="read">Reads it.</param>
    public static T Through<T>(string path, byte[] content, Func<string, T> read)
    {
        if (!File.Exists(path))
            Make(path);
        var writing = Task.Run(() =>
        {
            try
            {
                using var pipe = new FileStream(path, FileMode.Open, FileAccess.Write, FileShare.ReadWrite);
                pipe.Write(content);
            }
            catch (IOException)
            {
                // Who reads may stop early.
            }
        });
        try
        {
            return read(path);
        }
        finally
        {
            writing.Wait();
        }
    }
}
