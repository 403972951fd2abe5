using Ds2.Runtime.Decoding.LanguageModels;

namespace Ds2.Tests.Decoding.LanguageModels;

public sealed class WordPrefixesTests
{
    [Test]
    public void Next_LeadsOnWhereAWordDoes_AndNowhereElse()
    {
        var random = new Random(3);
        string[] words = [.. Enumerable.Range(0, 300).Select(_ => string.Concat(Enumerable.Range(0, random.Next(1, 7)).Select(_ => (char)random.Next('A', 'E')))), "\u00c4B", "AB", "AB"];
        var prefixes = new WordPrefixes(words);
        HashSet<string> known = [.. words.SelectMany(word => Enumerable.Range(0, word.Length + 1).Select(length => word[..length]))];
        var nodes = new Dictionary<int, string>();
        for (int i = 0; i < 3000; i++)
        {
            string text = i == 0 ? "" : string.Concat(Enumerable.Range(0, random.Next(1, 8)).Select(_ => "ABCDE\u00c4"[random.Next(6)]));
            int node = prefixes.Next(WordPrefixes.Root, text), cut = text.Length / 2;
            Assert.That(node != WordPrefixes.None, Is.EqualTo(known.Contains(text)), text);
            Assert.That(prefixes.Next(prefixes.Next(WordPrefixes.Root, text.AsSpan(0, cut)), text.AsSpan(cut)), Is.EqualTo(node), "in two pieces");
            if (node != WordPrefixes.None)
                Assert.That(nodes.TryAdd(node, text) ? text : nodes[node], Is.EqualTo(text), "a node has one text");
        }
    }

    [Test]
    public void Next_OfNoWords_IsNone() => Assert.That(new WordPrefixes([]).Next(WordPrefixes.Root, "A"), Is.EqualTo(WordPrefixes.None));
}
