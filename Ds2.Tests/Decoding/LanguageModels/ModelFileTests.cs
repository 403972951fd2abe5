using System.IO.Compression;
using System.Text;
using Ds2.Runtime;
using Ds2.Runtime.Decoding.LanguageModels;
using Ds2.Tests.Data;

namespace Ds2.Tests.Decoding.LanguageModels;

/// <summary>What is taken for a model, and what a user hears of what is not.</summary>
public sealed class ModelFileTests
{
    private const string Arpa =
        "\\data\\\nngram 1=5\nngram 2=3\n\n\\1-grams:\n-1.5\t<unk>\n-99\t<s>\t-0.5\n-1\t</s>\n-0.75\ta\t-0.25\n-0.625\tb\n\n\\2-grams:\n-0.5\t<s> a\n-0.375\ta b\n-0.125\ta </s>\n\n\\end\\\n";

    private TempFolder folder = null!;

    [SetUp]
    public void MakeFolder() => folder = new TempFolder();

    [TearDown]
    public void RemoveFolder() => folder.Dispose();

    /// <summary>The same model in other hands.</summary>
    [TestCase("", "", TestName = "Open_Plain")]
    [TestCase("\n", "\r\n", TestName = "Open_WindowsLines")]
    [TestCase("\t", "  ", TestName = "Open_SpacesForTabs")]
    [TestCase("ngram ", "ngram  ", TestName = "Open_CountsAsIrstlmWritesThem")]
    [TestCase("=", "=     ", TestName = "Open_CountsAsIrstlmAligns")]
    [TestCase("<s> a\n", "<s> a\t0\n", TestName = "Open_ZeroBackOffAtTheHighestOrder")]
    [TestCase("<unk>\n", "<UNK>\t0\n", TestName = "Open_UnknownInCapitals")]
    [TestCase("\\end\\\n", "\\end\\\n\n  \n", TestName = "Open_BlanksBehindTheEnd")]
    [TestCase("\\end\\\n", "\\end\\", TestName = "Open_NoLastNewline")]
    [TestCase("\n\\2", "\n\n\n\\2", TestName = "Open_BlankLines")]
    [TestCase("\\data\\", "# made by hand\n\n\\data\\  ", TestName = "Open_Preamble")]
    [TestCase("\\data\\", "\uFEFF\\data\\", TestName = "Open_ByteOrderMark")]
    [TestCase("-99", "-inf", TestName = "Open_LogZeroAsInfinity")]
    [TestCase("-0.5\t<s> a", "-5e-1\t<s> a", TestName = "Open_Exponents")]
    [TestCase("\tb\n", "\tb \n", TestName = "Open_TrailingBlanks")]
    public void Open_WhatOthersWrite(string from, string to)
    {
        using LanguageModel model = LanguageModel.Open(folder.Write("a.arpa", from == "" ? Arpa : Arpa.Replace(from, to, StringComparison.Ordinal)));
        Check(model);
    }

    private static void Check(LanguageModel model)
    {
        Assert.That((model.Order, model.Count(1), model.Count(2), model.HasUnknown), Is.EqualTo((2, 5L, 3L, true)));
        LanguageState state = model.Begin;
        Assert.That(model.Score(state, model.WordId("a"), out state), Is.EqualTo(-0.5f));
        Assert.That(model.End(state), Is.EqualTo(-0.125f));
        Assert.That(model.Score(state, model.WordId("b"), out state), Is.EqualTo(-0.375f));
        Assert.That(model.Score(state, model.WordId("b"), out state), Is.EqualTo(-0.625f));
        Assert.That(model.Score(model.Begin, model.WordId("c"), out state), Is.EqualTo(-2f));
        Assert.That(model.Score(default, model.WordId("<s>"), out _), Is.EqualTo(-99f));
    }

    [Test]
    public void Open_Gzip_WhateverItsName()
    {
        using var bytes = new MemoryStream();
        using (var gzip = new GZipStream(bytes, CompressionLevel.Fastest))
            gzip.Write(Encoding.UTF8.GetBytes(Arpa));
        using (LanguageModel model = LanguageModel.Open(folder.Write("a.arpa", bytes.ToArray())))
            Check(model);
        Assert.That(() => LanguageModel.Open(folder.Write("a.gz", bytes.ToArray()[..^20])), Throws.TypeOf<InputException>().With.Message.StartsWith(folder["a.gz"]));
        byte[] wrong = bytes.ToArray();
        wrong[40] ^= 0xFF;
        Assert.That(() => LanguageModel.Open(folder.Write("a.gz", wrong)), Throws.TypeOf<InputException>().With.Message.StartsWith(folder["a.gz"]));
    }

    /// <summary>IRSTLM has written log-probabilities above 0.</summary>
    [Test]
    public void Open_ProbabilityAboveOne_IsOne()
    {
        using LanguageModel model = LanguageModel.Open(folder.Write("a.arpa", Arpa.Replace("-0.125\ta", "0.002\ta", StringComparison.Ordinal)));
        model.Score(default, model.WordId("a"), out LanguageState state);
        Assert.That(model.End(state), Is.Zero);
    }

    [Test]
    public void Open_CapitalUnknownBesideTheOther_IsAWordLikeOthers()
    {
        using LanguageModel model = LanguageModel.Open(folder.Write("a.arpa", Arpa.Replace("\tb", "\t<UNK>", StringComparison.Ordinal).Replace("a b", "a <UNK>", StringComparison.Ordinal)));
        Assert.That(model.Score(default, model.WordId("<UNK>"), out _), Is.EqualTo(-0.625f));
        Assert.That(model.Score(default, model.WordId("b"), out _), Is.EqualTo(-1.5f));
    }

    [TestCase("\\data\\", "data", "is no ARPA file: it has no line \\data\\")]
    [TestCase("ngram 2=3", "ngram 3=3", "line 3: the counts go from 1 upwards; 2 is expected here, not 3")]
    [TestCase("ngram 2=3", "ngram 2=", "line 3: \"ngram 2=\" has no number where one is expected")]
    [TestCase("ngram 2=3", "ngrams two", "line 3: \"ngram 2=count\" or an empty line is expected here, not \"ngrams two\"")]
    [TestCase("ngram 2=3", "ngram 2=-3", "line 3: -3 n-grams: there cannot be fewer than none")]
    [TestCase("ngram 2=3", "ngram 2=99999999999", "line 3: 99999999999 n-grams of one order are more than can be held")]
    [TestCase("ngram 2=3", "ngram 2=4", "line 16: the 2-grams end after 3, and the header says 4")]
    [TestCase("ngram 2=3", "ngram 2=2", "line 15: \\end\\ is expected here, not \"-0.125\ta </s>\"")]
    [TestCase("ngram 1=5", "ngram 1=4", "line 10: \\2-grams: is expected here, not \"-0.625\tb\"; the header says 4 1-grams")]
    [TestCase("ngram 1=5", "ngram 1=6", "line 11: the 1-grams end after 5, and the header says 6")]
    [TestCase("\\2-grams:", "\\3-grams:", "line 12: \\2-grams: is expected here, not \"\\3-grams:\"")]
    [TestCase("-0.625\tb", "x\tb", "line 10: \"x\" is no log10 probability in \"x\tb\"")]
    [TestCase("-0.625\tb", "nan\tb", "line 10: \"nan\" is no log10 probability in \"nan\tb\"")]
    [TestCase("a\t-0.25", "a\t-0.25x", "line 9: \"-0.25x\" is no log10 back-off in \"-0.75\ta\t-0.25x\"")]
    [TestCase("a\t-0.25", "a b\t-0.25", "line 9: \"b\" is no log10 back-off in \"-0.75\ta b\t-0.25\"")]
    [TestCase("a\t-0.25", "a\t-0.25\t1", "line 9: \"-0.75\ta\t-0.25\t1\" has more than 1 words and two numbers")]
    [TestCase("a b\n", "a\n", "line 14: \"-0.375\ta\" has 1 words where there must be 2")]
    [TestCase("a b\n", "a c\n", "line 14: the word \"c\" is not among the 1-grams")]
    [TestCase("a b\n", "a b\t-1\n", "line 14: \"-0.375\ta b\t-1\" has a back-off, and there are no longer n-grams")]
    [TestCase("\tb\n", "\ta\n", "line 10: the 1-gram \"a\" stands here for the second time")]
    [TestCase("a b\n", "<s> a\n", "line 14: the 2-gram \"<s> a\" stands on line 13 already")]
    [TestCase("\n\\end\\\n", "", "line 15: the file ends here, without \\end\\")]
    [TestCase("\\end\\\n", "\\end\\\nmore\n", "line 18: nothing may follow \\end\\, and here stands \"more\"")]
    [TestCase("-0.125\ta </s>\n\n\\end\\\n", "-0.12", "line 15: \"-0.12\" has 0 words where there must be 2; the file ends within this line")]
    [TestCase("</s>", "<end>", "has no 1-gram </s>; a model of sentences is needed")]
    public void Open_BadLine_IsNamed(string from, string to, string expected)
    {
        string path = folder.Write("a.arpa", Arpa.Replace(from, to, StringComparison.Ordinal));
        Assert.That(() => LanguageModel.Open(path), Throws.TypeOf<InputException>().With.Message.StartsWith($"{path}: {expected}".Replace('\t', ' ')));
    }

    [Test]
    public void Open_NoUtf8_IsNamed()
    {
        string path = folder.Write("a.arpa", [.. Encoding.UTF8.GetBytes(Arpa).Select(value => value == 'b' ? (byte)0xE4 : value)]);
        Assert.That(() => LanguageModel.Open(path), Throws.TypeOf<InputException>().With.Message.EqualTo($"{path}: line 10: is not UTF-8 text"));
    }

    [TestCase("mmap lm http://kheafield.com/code format version 5\n\0", "KenLM's binary format")]
    [TestCase("blmt 3 100\n", "IRSTLM's binary format")]
    [TestCase("iARPA\n\\data\\\n", "IRSTLM's iARPA format")]
    [TestCase("DS2NGRAM\u0001", "a compiled model already")]
    [TestCase("\u007fELF\0\0", "neither an ARPA file nor a compiled model")]
    [TestCase("", "no ARPA file")]
    public void Open_AnothersFormat_IsNamed(string content, string expected)
    {
        string path = folder.Write("a.lm", content);
        Assert.That(() => LanguageModelBuilder.Compile(path, folder["b.lm"], 8, NoProgress.Instance), Throws.TypeOf<InputException>().With.Message.StartsWith($"{path}: is ").And.Message.Contains(expected));
    }

    /// <summary>As from <c>--lm &lt;(zcat words.arpa.gz)</c>: a pipe is read once, and not wound back.</summary>
    [Test]
    public void Open_Pipe_ReadsAnArpaFile_AndRefusesWhatMustBeMapped()
    {
        if (OperatingSystem.IsWindows())
            Assert.Ignore("Windows has no pipes with names in folders");
        LanguageModelBuilder.Compile(folder.Write("a.arpa", Arpa), folder["a.lm"], 8, NoProgress.Instance);
        using (LanguageModel model = Pipe.Through(folder["pipe"], Encoding.UTF8.GetBytes(Arpa), path => LanguageModel.Open(path)))
            Check(model);
        Assert.That(() => Pipe.Through(folder["pipe"], File.ReadAllBytes(folder["a.lm"]), path => LanguageModel.Open(path)),
            Throws.TypeOf<InputException>().With.Message.EqualTo($"{folder["pipe"]}: is a pipe: a compiled model is mapped into memory, which takes a file"));
    }

    /// <summary>What cannot be mapped leaves nothing for the finalizer to stumble over: that would end the process.</summary>
    [Test]
    public void Map_FileThatHasBecomeShorter_SaysSo_AndLeavesNothingBehind()
    {
        string path = folder.Write("a.lm", new byte[100]);
        Assert.That(() => ModelImage.Map(path, 1 << 20), Throws.TypeOf<InputException>().With.Message.StartsWith($"{path}: truncated"));
        GC.Collect();
        GC.WaitForPendingFinalizers();
    }

    [TestCase(8)]
    [TestCase(32)]
    public void Open_DamagedCompiledFile_IsRefused(int bits)
    {
        folder.Write("a.arpa", Arpa);
        LanguageModelBuilder.Compile(folder["a.arpa"], folder["a.lm"], bits, NoProgress.Instance);
        using (LanguageModel model = LanguageModel.Open(folder["a.lm"]))
            Check(model);
        byte[] whole = File.ReadAllBytes(folder["a.lm"]);
        foreach (int length in new[] { 8, 100, 128, whole.Length - 1 })
            Assert.That(() => LanguageModel.Open(folder.Write("b.lm", whole[..length])), Throws.TypeOf<InputException>().With.Message.Contains("truncated"));
        Assert.That(() => LanguageModel.Open(folder.Write("b.lm", [.. whole, 0])), Throws.TypeOf<InputException>().With.Message.Contains("too long"));
        for (int at = 12; at < ModelLayout.HeaderBytes; at++)
        {
            byte[] wrong = [.. whole];
            wrong[at] ^= 0x10;
            Assert.That(() => LanguageModel.Open(folder.Write("b.lm", wrong)), Throws.TypeOf<InputException>().With.Message.Contains("is damaged"), $"byte {at}");
        }
        whole[8] = 2;
        Assert.That(() => LanguageModel.Open(folder.Write("b.lm", whole)), Throws.TypeOf<InputException>().With.Message.Contains("version 2"));
    }

    /// <summary>A header's checksum says nothing of what is behind it, as opening reads none of that; whatever stands there, no query leaves the file.</summary>
    [TestCase(8)]
    [TestCase(32)]
    public void Score_OfAFileDamagedBehindItsHeader_StaysWithinIt(int bits)
    {
        SmallModel small = SmallModel.Random(3, words: 12, perOrder: 60, unknown: true, seed: 3);
        folder.Write("a.arpa", small.Arpa());
        LanguageModelBuilder.Compile(folder["a.arpa"], folder["a.lm"], bits, NoProgress.Instance);
        byte[] whole = File.ReadAllBytes(folder["a.lm"]);
        string[] words = [.. small.Words];
        var random = new Random(6);
        for (int round = 0; round < 100; round++)
        {
            byte[] damaged = [.. whole];
            random.NextBytes(damaged.AsSpan(random.Next(ModelLayout.HeaderBytes, whole.Length)..));
            using LanguageModel model = LanguageModel.Open(folder.Write("b.lm", damaged));
            LanguageState state = model.Begin;
            for (int i = 0; i < 200; i++)
            {
                int id = i % 2 == 0 ? random.Next((int)model.Count(1)) : model.WordId(words[random.Next(words.Length)]);
                model.Score(state, id, out state);
                model.Word(id);
            }
        }
    }
}
