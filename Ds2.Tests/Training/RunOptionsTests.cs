using Ds2.Runtime;
using Ds2.Runtime.Training;

namespace Ds2.Tests.Training;

public sealed class RunOptionsTests
{
    /// <summary>The first two were found by fuzzing: exceptions that were no <see cref="InputException"/>.</summary>
    [TestCase("""{"hidden": 8, "hidden": 9}""", "hidden")]
    [TestCase("""{"features\ud800": "mfcc"}""", "not valid JSON")]
    [TestCase("""{"order": "\ud800"}""", "")]
    [TestCase("""{"hidden": 8""", "not valid JSON")]
    [TestCase("""[8]""", "expected a JSON object")]
    [TestCase("""{"onNonFinite": "ignore"}""", "no value for 'onNonFinite'")]
    [TestCase("""{"onNonFinite": 1}""", "no value for 'onNonFinite'")]
    public void Parse_Faults_AreOneLine(string json, string expected)
    {
        InputException fault = Assert.Throws<InputException>(() => RunOptions.Parse(json, "a.json", new RunOptions()))!;
        Assert.That(fault.Message, Does.StartWith("a.json: ").And.Contain(expected).And.Not.Contain("\n"));
    }

    [Test]
    public void Message_OfADamagedFile_IsOneShortLine()
    {
        var fault = new InputException("a\nb\u001b[2J" + new string('x', 100_000));
        Assert.That(fault.Message, Does.StartWith("a b\uFFFD[2Jxx").And.Length.LessThan(2100));
    }
}
