using Ds2.Runtime.Files;
using Ds2.Tests.Audio;
using Ds2.Tests.Data;

namespace Ds2.Tests.Files;

public sealed class HeaderStreamTests
{
    private TempFolder folder = null!;

    [SetUp]
    public void MakeFolder() => folder = new TempFolder();

    [TearDown]
    public void RemoveFolder() => folder.Dispose();

    /// <summary>Within the first bytes, across their end and beyond.</summary>
    [Test]
    public void Read_GivesWhatTheFileHas_Anywhere([Values(0, 1, 255, 256, 257, 5000)] int length)
    {
        byte[] content = new byte[length];
        new Random(length).NextBytes(content);
        folder.Write("f", content);
        using HeaderStream stream = HeaderStream.Open(folder["f"]);
        Assert.That(stream.Length, Is.EqualTo(length));
        Assert.That(stream.Start.ToArray(), Is.EqualTo(content[..Math.Min(length, stream.Start.Length)]));
        foreach (int position in new[] { 0, 7, 250, 256, 300, 4999, 5000, 9000 })
        {
            stream.Position = position;
            var got = new byte[20];
            int count = stream.ReadAtLeast(got, got.Length, throwOnEndOfStream: false);
            Assert.That(got[..count], Is.EqualTo(content.Skip(position).Take(20)));
            Assert.That(stream.Position, Is.EqualTo(position + count));
        }
    }

    [Test]
    public void Open_WhatCannotBeRead_IsOneLine()
    {
        Assert.That(() => HeaderStream.Open(folder["none"]), WavReaderTests.IsOneLine(folder["none"], "no such file"));
        Assert.That(() => HeaderStream.Open(folder.Path), WavReaderTests.IsOneLine(folder.Path, "is a directory"));
    }

    [Test]
    public void Utf8Reader_ReadsLongShortMarkedAndUtf16Texts()
    {
        var reader = new Utf8Reader();
        foreach (string text in new[] { "A", "", new string('\u00e9', 9000), "\u0434 b" })
        {
            foreach (System.Text.Encoding encoding in new[] { new System.Text.UTF8Encoding(false), System.Text.Encoding.UTF8, System.Text.Encoding.Unicode, System.Text.Encoding.BigEndianUnicode })
            {
                File.WriteAllText(folder["t"], text, encoding);
                foreach (long bytes in new[] { 0, new FileInfo(folder["t"]).Length })
                    Assert.That(System.Text.Encoding.UTF8.GetString(reader.Read(folder["t"], bytes)), Is.EqualTo(text), encoding.WebName);
            }
        }
        folder.Write("t", [0xC3]);
        Assert.That(() => reader.Read(folder["t"], 1).Length, WavReaderTests.IsOneLine(folder["t"], "not UTF-8"));
        Assert.That(() => reader.Read(folder["none"], 1).Length, WavReaderTests.IsOneLine(folder["none"], "no such file"));
    }
}
