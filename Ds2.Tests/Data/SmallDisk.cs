using System.Diagnostics;

namespace Ds2.Tests.Data;

/// <summary>A disk of a few megabytes that a test can fill: a tmpfs, which takes root and the right to mount.</summary>
internal sealed class SmallDisk : IDisposable
{
    private readonly TempFolder folder = new();

    /// <summary>Mounts the disk; ends the test as ignored where that is not allowed.</summary>
    public SmallDisk(int megabytes)
    {
        if (OperatingSystem.IsLinux() && Run("mount", "-t", "tmpfs", "-o", $"size={megabytes}m", "none", Path) == 0)
            return;
        folder.Dispose();
        Assert.Ignore("needs the right to mount a tmpfs: run as root");
    }

    public string Path => folder.Path;

    private string Filler => this["filler"];

    public string this[string name] => folder[name];

    /// <summary>Leaves so many bytes free.</summary>
    public void Fill(long free)
    {
        using FileStream filler = File.Create(Filler);
        var zeros = new byte[4096];
        for (long left = new DriveInfo(Path).AvailableFreeSpace - free; left >= zeros.Length; left -= zeros.Length)
            filler.Write(zeros);
    }

    public void Empty() => File.Delete(Filler);

    public void Dispose()
    {
        Assert.That(Run("umount", Path), Is.Zero);
        folder.Dispose();
    }

    private static int Run(string program, params string[] arguments)
    {
        using Process process = Process.Start(new ProcessStartInfo(program, arguments) { RedirectStandardError = true })!;
        process.StandardError.ReadToEnd();
        process.WaitForExit();
        return process.ExitCode;
    }
}
