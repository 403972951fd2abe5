using System.Buffers.Binary;
using System.Text;
using Ds2.Runtime;
using Ds2.Runtime.Audio;
using Ds2.Runtime.Features;
using Ds2.Tests.Audio;
using Ds2.Tests.Data;

namespace Ds2.Tests.Features;

public sealed class CoefficientFileTests
{
    private TempFolder folder = null!;

    [SetUp]
    public void MakeFolder() => folder = new TempFolder();

    [TearDown]
    public void RemoveFolder() => folder.Dispose();

    /// <summary>[frames, 13]: a hundred times the frame, plus the coefficient.</summary>
    private static float[] Values(int frames) => [.. Enumerable.Range(0, 13 * frames).Select(i => i / 13 * 100f + i % 13)];

    private static byte[] Sphinx(int says, float[] values)
    {
        var bytes = new byte[4 + 4 * values.Length];
        BinaryPrimitives.WriteInt32BigEndian(bytes, says);
        for (int i = 0; i < values.Length; i++)
            BinaryPrimitives.WriteSingleBigEndian(bytes.AsSpan(4 + 4 * i), values[i]);
        return bytes;
    }

    private static byte[] Htk(int frames, int period, short frameBytes, int kind, float[] values)
    {
        byte[] bytes = [.. new byte[8], .. Sphinx(0, values)];
        BinaryPrimitives.WriteInt32BigEndian(bytes, frames);
        BinaryPrimitives.WriteInt32BigEndian(bytes.AsSpan(4), period);
        BinaryPrimitives.WriteInt16BigEndian(bytes.AsSpan(8), frameBytes);
        BinaryPrimitives.WriteInt16BigEndian(bytes.AsSpan(10), (short)kind);
        return bytes;
    }

    private static byte[] Numpy(string dictionary, float[] values, byte version = 1)
    {
        byte[] length = version == 1 ? BitConverter.GetBytes((ushort)dictionary.Length) : BitConverter.GetBytes(dictionary.Length);
        return [0x93, .. "NUMPY"u8, version, 0, .. length, .. Encoding.ASCII.GetBytes(dictionary), .. values.SelectMany(BitConverter.GetBytes)];
    }

    private static string Dictionary(int frames) => $"{{'descr': '<f4', 'fortran_order': False, 'shape': ({frames}, 13), }}    \n";

    [Test]
    public void FromFile_RawCoefficientsPassThrough()
    {
        string[] files =
        [
            folder.Write("a.mfc", Sphinx(13 * 7, Values(7))),
            folder.Write("b.npy", Numpy(Dictionary(7), Values(7))),
            folder.Write("c.npy", Numpy(Dictionary(7), Values(7), version: 2)),
        ];
        NpyFile.Write(folder["d.npy"], Values(7), 7, 13);
        foreach (string path in files.Append(folder["d.npy"]))
        {
            FeatureMatrix features = new FeatureExtractor(FeatureKind.MfccRaw).FromFile(path);
            Assert.That((features.Rows, features.Frames), Is.EqualTo((13, 7)));
            Assert.That(features.Row(5).ToArray(), Is.EqualTo(new[] { 5f, 105, 205, 305, 405, 505, 605 }));
            Assert.That(AudioFile.Duration(path), Is.EqualTo(0.07));
        }
    }

    [Test]
    public void FromFile_RendersTheEnvelope()
    {
        string path = folder.Write("a.mfc", Sphinx(26, Values(2)));
        FeatureMatrix features = new FeatureExtractor(FeatureKind.Mfcc).FromFile(path);
        Assert.That((features.Rows, features.Frames), Is.EqualTo((161, 2)));
        for (int k = 0; k < 161; k++)
        {
            double expected = 100 / Math.Sqrt(161);
            for (int m = 1; m < 13; m++)
                expected += Math.Sqrt(2.0 / 161) * (100 + m) * Math.Cos(Math.PI * m * (2 * k + 1) / 322);
            Assert.That(features.Row(k)[1], Is.EqualTo(expected).Within(1e-3));
        }
    }

    /// <summary>HTK writes the zeroth coefficient, or the energy, behind the others.</summary>
    [TestCase(6 | 0x2000, TestName = "MFCC_0")]
    [TestCase(6 | 0x40 | 0x800, TestName = "MFCC_E_Z")]
    public void FromFile_Htk_IsRead(int kind)
    {
        float[] sphinx = Values(3), htk = [.. Enumerable.Range(0, 3).SelectMany(frame => (float[])[.. sphinx.AsSpan(13 * frame + 1, 12), sphinx[13 * frame]])];
        FeatureMatrix expected = new FeatureExtractor(FeatureKind.MfccRaw).FromFile(folder.Write("a.mfc", Sphinx(39, sphinx)));
        FeatureMatrix features = new FeatureExtractor(FeatureKind.MfccRaw).FromFile(folder.Write("b.mfc", Htk(3, 100_000, 52, kind, htk)));
        Assert.That(features.Values, Is.EqualTo(expected.Values));
    }

    [Test]
    public void FromFile_SphinxOfTheOtherByteOrder_IsRead()
    {
        byte[] big = Sphinx(26, Values(2)), little = [.. big.Chunk(4).SelectMany(word => word.Reverse())];
        FeatureMatrix expected = new FeatureExtractor(FeatureKind.MfccRaw).FromFile(folder.Write("a.mfc", big));
        Assert.That(new FeatureExtractor(FeatureKind.MfccRaw).FromFile(folder.Write("b.mfc", little)).Values, Is.EqualTo(expected.Values));
    }

    [Test]
    public void FromFile_Spectrogram_CannotBeMade()
    {
        string path = folder.Write("a.mfc", Sphinx(13, Values(1)));
        Assert.That(() => new FeatureExtractor(FeatureKind.Spectrogram).FromFile(path), WavReaderTests.IsOneLine(path, "cannot be made"));
        Assert.That(() => new FeatureExtractor(FeatureKind.Spectrogram).FromCoefficients(new float[13], 1), Throws.TypeOf<InputException>());
    }

    private static readonly object[] Broken =
    [
        new object[] { "a.mfc", "truncated: the header says 104 bytes, the file has 52", Sphinx(26, Values(1)) },
        new object[] { "a.mfc", "no whole number of frames", Sphinx(14, [.. Values(1), 0]) },
        new object[] { "a.mfc", "neither a Sphinx file of 13 values nor an HTK file", Sphinx(13, Values(2)) },
        new object[] { "a.mfc", "an HTK file of kind FBANK_D", Htk(2, 100_000, 52, 7 | 0x100, Values(2)) },
        new object[] { "a.mfc", "an HTK file of kind MFCC_0, 52 bytes a frame, a frame each 5 ms", Htk(2, 50_000, 52, 6 | 0x2000, Values(2)) },
        // 104 frames of 13 values: as a Sphinx file its first number would fit, too.
        new object[] { "a.mfc", "an HTK file of kind MFCC,", Htk(104, 100_000, 52, 6, Values(104)) },
        new object[] { "a.mfc", "a count of -1", Sphinx(-1, Values(1)) },
        new object[] { "a.mfc", "holds no frames", Sphinx(0, []) },
        new object[] { "a.mfc", "coefficient 1 of frame 0 is NaN", Sphinx(13, [0, float.NaN, .. new float[11]]) },
        new object[] { "a.mfc", "its features have a value of 1E+30", Sphinx(13, [0, 1e30f, .. new float[11]]) },
        new object[] { "a.mfc", "truncated", new byte[] { 0, 0 } },
        new object[] { "a.npy", "truncated: the header says 104 bytes, the file has 52", Numpy(Dictionary(2), Values(1)) },
        new object[] { "a.npy", "not a NumPy file", Sphinx(13, Values(1)) },
        new object[] { "a.npy", "'<f8'", Numpy("{'descr': '<f8', 'fortran_order': False, 'shape': (1, 13), }\n", Values(2)) },
        new object[] { "a.npy", "(13, 2)", Numpy("{'descr': '<f4', 'fortran_order': False, 'shape': (13, 2), }\n", Values(2)) },
        new object[] { "a.npy", "must hold", Numpy("{'descr': '<f4', 'fortran_order': True, 'shape': (1, 13), }\n", Values(1)) },
    ];

    [TestCaseSource(nameof(Broken))]
    public void FromFile_BrokenFile_SaysWhat(string name, string fault, byte[] bytes)
    {
        string path = folder.Write(name, bytes);
        Assert.That(() => new FeatureExtractor(FeatureKind.MfccRaw).FromFile(path), WavReaderTests.IsOneLine(path, fault));
    }

    [Test]
    public void FromFile_GenuineAn4()
    {
        string path = Directory.GetFiles(SharedData.Require("an4-mfc/feat"), "*.mfc", SearchOption.AllDirectories).Order(StringComparer.Ordinal).First();
        FeatureMatrix features = new FeatureExtractor(FeatureKind.Mfcc).FromFile(path);
        Assert.That(features.Frames, Is.EqualTo((int)Math.Round(AudioFile.Duration(path) * 100)));
    }
}
