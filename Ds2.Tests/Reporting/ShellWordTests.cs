using Ds2.Train.Reporting;

namespace Ds2.Tests.Reporting;

public sealed class ShellWordTests
{
    [TestCase("runs/mine-2/best.safetensors", "runs/mine-2/best.safetensors")]
    [TestCase("my runs/best.safetensors", "'my runs/best.safetensors'")]
    [TestCase("it's", @"'it'\''s'")]
    [TestCase("$HOME", "'$HOME'")]
    [TestCase("größe", "größe")]
    [TestCase("", "''")]
    public void Quote_IsReadBackAsTheWord(string word, string expected) => Assert.That(ShellWord.Quote(word), Is.EqualTo(expected));
}
