namespace Ds2.Runtime.Files;

/// <summary>Where files of no worth of their own go that cannot stand where they belong.</summary>
internal static class UserCache
{
    /// <summary><c>$XDG_CACHE_HOME/ds2</c>, else <c>~/.cache/ds2</c>; it need not exist.</summary>
    public static string Folder => Environment.GetEnvironmentVariable("XDG_CACHE_HOME") is { Length: > 0 } cache && Path.IsPathRooted(cache)
        ? Path.Combine(cache, "ds2")
        : Path.Combine(Environment.GetFolderPath(Environment.SpecialFolder.UserProfile) is { Length: > 0 } home ? home : Path.GetTempPath(), ".cache", "ds2");
}
