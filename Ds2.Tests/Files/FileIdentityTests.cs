using Ds2.Runtime.Files;
using Ds2.Tests.Data;

namespace Ds2.Tests.Files;

public sealed class FileIdentityTests
{
    /// <summary>By the kernel's word, and by the links that are followed where it is not asked.</summary>
    [Test]
    public void PathsOfOneFile_AreTheSame_AndOthersAreNot()
    {
        using var folder = new TempFolder();
        folder.Write("a/file", "");
        folder.Write("a/other", "");
        File.CreateSymbolicLink(folder["link"], "second");
        File.CreateSymbolicLink(folder["second"], "a/file");
        Directory.CreateSymbolicLink(folder["b"], "a");
        File.CreateSymbolicLink(folder["circle"], "circle");
        foreach (Func<string, string> identity in new Func<string, string>[] { FileIdentity.Of, FileIdentity.WithoutLinks })
        {
            string file = identity(folder["a/file"]);
            foreach (string same in new[] { "link", "second", "b/file" })
                Assert.That(identity(folder[same]), Is.EqualTo(file), same);
            foreach (string other in new[] { "a/other", "b/other", "a/none", "b", "circle", "circle/file" })
                Assert.That(identity(folder[other]), Is.Not.EqualTo(file), other);
        }
        Assert.That(FileIdentity.Of("/dev/null"), Is.EqualTo(Path.GetFullPath("/dev/null")));
    }
}
