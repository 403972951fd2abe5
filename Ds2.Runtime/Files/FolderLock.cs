using System.Globalization;
using System.Runtime.InteropServices;
using System.Text;
using Microsoft.Win32.SafeHandles;

namespace Ds2.Runtime.Files;

/// <summary>Keeps a folder to one process at a time, by a lock on a file in it that the system takes back when the process ends, however it ends.</summary>
/// <remarks>
/// On Linux the lock is fcntl(2)'s of an open file description: NFS has it too, it holds within a process as between two, and children do not inherit it, as
/// .NET closes files on exec. Not FileShare.None, which is flock(2) with every answer but "taken" ignored, and keeps others from reading who holds it.
/// The file names the holder; a killed process leaves it there, without the lock.
/// </remarks>
public sealed partial class FolderLock : IDisposable
{
    /// <summary>The file of a run's folder.</summary>
    public const string RunFile = "run.lock";

    private const int SetOpenFileLock = 37;
    private const short WriteLock = 1;

    /// <summary>Mount options under which a lock is granted and holds on this machine alone.</summary>
    private static readonly string[] LocalMounts = ["nolock", "local_lock=all", "local_lock=posix", "localflock", "nobrl"];

    private readonly FileStream file;
    private readonly string? made;

    private FolderLock(FileStream file, string? made) => (this.file, this.made) = (file, made);

    /// <summary>The folder.</summary>
    public string Folder => Path.GetDirectoryName(file.Name)!;

    /// <summary>Makes a folder where it is missing, and takes its lock.</summary>
    /// <param name="folder">The folder.</param>
    /// <param name="name">The name of the lock's file.</param>
    /// <param name="note">Told, in a line, where the folder's file system has no locks, or none that other machines see; the folder is used all the same.</param>
    /// <exception cref="InputException">Another process holds it, or the folder cannot be written.</exception>
    public static FolderLock Take(string folder, string name, Action<string> note)
    {
        ArgumentNullException.ThrowIfNull(note);
        for (; ; )
        {
            if (TryTake(folder, name, FileMode.OpenOrCreate, note) is { } taken)
                return taken;
        }
    }

    /// <summary>Makes a folder that was not there, and takes its lock: of several processes that ask for the same name at once, each gets a folder of its own.</summary>
    /// <param name="folder">The folder; where it is there, -2, -3, … is put behind its name.</param>
    /// <param name="name">The name of the lock's file.</param>
    /// <param name="note">As with <see cref="Take"/>.</param>
    /// <exception cref="InputException">The folder cannot be written.</exception>
    public static FolderLock TakeUnused(string folder, string name, Action<string> note)
    {
        ArgumentNullException.ThrowIfNull(note);
        for (int number = 1; ; number++)
        {
            string candidate = number == 1 ? folder : string.Create(CultureInfo.InvariantCulture, $"{folder}-{number}");
            // Between this look and the making of the lock's file, which only one can do, others may have the same name in mind.
            if (!Path.Exists(candidate) && TryTake(candidate, name, FileMode.CreateNew, note) is { } taken)
                return taken;
        }
    }

    /// <summary>Gives the folder back. One that holds nothing else goes: what could not even start leaves nothing behind.</summary>
    public void Dispose()
    {
        try
        {
            if (!Directory.EnumerateFileSystemEntries(Folder).Any(path => path != file.Name))
            {
                File.Delete(file.Name);
                if (made is not null)
                    Directory.Delete(made);
            }
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            // An empty folder stays: no harm, and where there is any the user hears of its cause, not of this.
        }

        file.Dispose();
    }

    /// <summary>The lock; null where the file was made, or replaced, by another process in between.</summary>
    private static FolderLock? TryTake(string folder, string name, FileMode mode, Action<string> note)
    {
        string full = Path.GetFullPath(folder), path = Path.Combine(full, name);
        FileStream? file = null;
        try
        {
            string? made = Directory.Exists(full) ? null : full;
            Directory.CreateDirectory(full);
            file = new FileStream(path, mode, FileAccess.ReadWrite, OperatingSystem.IsLinux() ? FileShare.ReadWrite | FileShare.Delete : FileShare.None, bufferSize: 0);
            RequireLock(file, folder, note);
            // The second line tells this holder from others of the same process and second.
            string holder = $"process {Environment.ProcessId} on {Environment.MachineName}, since {DateTimeOffset.Now:yyyy-MM-ddTHH:mm:sszzz}\n{Guid.NewGuid():N}\n";
            file.SetLength(0);
            file.Write(Encoding.UTF8.GetBytes(holder));
            if (IsInPlace(path, holder))
                return new FolderLock(file, made);
            file.Dispose();
            return null;
        }
        catch (IOException) when (mode == FileMode.CreateNew && file is null && File.Exists(path))
        {
            return null;
        }
        catch (DirectoryNotFoundException) when (!File.Exists(full))
        {
            return null; // its holder found it empty and took it away
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            file?.Dispose();
            throw new InputException(
                File.Exists(full) ? $"{folder}: is a file, not a folder"
                : file is null && !OperatingSystem.IsLinux() && File.Exists(path) ? InUse(folder, "another process")
                : $"{folder}: cannot be written: {exception.Message}",
                exception);
        }
        catch
        {
            file?.Dispose();
            throw;
        }
    }

    /// <summary>Whether a file is still the one under its name: its last holder may have taken it away after it was opened and before it was locked.</summary>
    private static bool IsInPlace(string path, string content)
    {
        if (!OperatingSystem.IsLinux())
            return true;
        try
        {
            using var there = new FileStream(path, FileMode.Open, FileAccess.ReadWrite, FileShare.ReadWrite | FileShare.Delete);
            return new StreamReader(there).ReadToEnd() == content;
        }
        catch (Exception exception) when (exception is FileNotFoundException or DirectoryNotFoundException)
        {
            return false;
        }
    }

    private static void RequireLock(FileStream file, string folder, Action<string> note)
    {
        if (!OperatingSystem.IsLinux())
            return; // FileShare.None was it
        var whole = new FileRegion { Type = WriteLock };
        if (Control(file.SafeFileHandle, SetOpenFileLock, ref whole) == 0)
        {
            if (LocalMount(file.Name) is { } option)
                note($"{folder}: is mounted with {option}: that no run on another machine uses it cannot be told");
            return;
        }

        const int Again = 11, Access = 13;
        int error = Marshal.GetLastPInvokeError();
        if (error is Again or Access)
            throw new InputException(InUse(folder, new StreamReader(file).ReadLine() is { Length: > 0 } holder ? holder : "another process"));
        note($"{folder}: cannot be locked ({Marshal.GetPInvokeErrorMessage(error)}): see to it that no other run uses it");
    }

    private static string InUse(string folder, string holder) => $"{folder}: is in use by {holder}; wait for its end, or name another folder";

    /// <summary>The option of a path's mount that keeps locks from other machines; null where there is none.</summary>
    private static string? LocalMount(string path)
    {
        const string Mounts = "/proc/self/mounts";
        if (!File.Exists(Mounts))
            return null;
        string[]? mount = File.ReadLines(Mounts).Select(line => line.Split(' '))
            .Where(fields => fields.Length > 3 && path.StartsWith(Path.TrimEndingDirectorySeparator(fields[1]) + "/", StringComparison.Ordinal))
            .MaxBy(fields => fields[1].Length);
        return mount?[3].Split(',').FirstOrDefault(LocalMounts.Contains);
    }

    [LibraryImport("libc", EntryPoint = "fcntl", SetLastError = true)]
    private static partial int Control(SafeFileHandle file, int command, ref FileRegion region);

    /// <summary>struct flock of 64-bit Linux; a length of zero is the whole file.</summary>
    [StructLayout(LayoutKind.Sequential)]
    private struct FileRegion
    {
        public short Type;
        public short Whence;
        public long Start;
        public long Length;
        public int Process;
    }
}
