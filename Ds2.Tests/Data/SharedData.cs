namespace Ds2.Tests.Data;

/// <summary>Real recordings that lie beside the repository on some machines: DS2_SHARED_DATA, or ../shared/data from its root.</summary>
internal static class SharedData
{
    /// <summary>The path of a folder or file in it; ends the test as ignored where there is none.</summary>
    public static string Require(string name)
    {
        string? folder = Environment.GetEnvironmentVariable("DS2_SHARED_DATA");
        for (DirectoryInfo? at = new(AppContext.BaseDirectory); folder is null && at is not null; at = at.Parent)
        {
            if (File.Exists(Path.Combine(at.FullName, "Ds2.slnx")))
                folder = Path.Combine(at.FullName, "..", "shared", "data");
        }
        string path = Path.Combine(folder ?? ".", name);
        if (!Path.Exists(path))
            Assert.Ignore($"needs the recordings in {path}; set DS2_SHARED_DATA to the folder that holds {name}");
        return path;
    }
}
