namespace Ds2.Tests.Layout;

/// <summary>The folder that the tests were built in.</summary>
internal static class Repository
{
    /// <summary>Its path; ends the test as ignored where the tests run apart from it.</summary>
    public static string Require()
    {
        string? folder = TestContext.CurrentContext.TestDirectory;
        while (folder is not null && !File.Exists(Path.Combine(folder, "Ds2.slnx")))
            folder = Path.GetDirectoryName(folder);
        if (folder is null)
            Assert.Ignore("the tests run apart from the repository");
        return folder!;
    }
}
