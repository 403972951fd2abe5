using Ds2.Kernels.Ops;
using Ds2.Tests.Engines;
using Ds2.Tests.Reference;
using MathNet.Numerics.LinearAlgebra;

namespace Ds2.Tests.Ops;

public sealed class GemmTests(string engine) : OpTest(engine)
{
    private static readonly int[] OddSizes = [0, 1, 2, 7, 8, 9, 15, 16, 17, 31, 32, 33, 63, 64, 65, 127, 129, 255, 256, 257];

    private static readonly TestCaseData[] FormCases =
    [
        new TestCaseData(new GemmShape(5, 7, 3)).SetArgDisplayNames("NN"),
        new TestCaseData(new GemmShape(5, 7, 3, TransposeB: true)).SetArgDisplayNames("NT"),
        new TestCaseData(new GemmShape(5, 7, 3, TransposeA: true)).SetArgDisplayNames("TN"),
    ];

    private Gemm Op => Gemm.On(Engine);

    [TestCaseSource(nameof(FormCases))]
    public void Multiply_MatchesReference(GemmShape shape)
    {
        AssertMatches(shape, beta: 0, hasBias: false);
        AssertMatches(shape, beta: 0, hasBias: true);
        AssertMatches(shape, beta: 1, hasBias: false);
        AssertMatches(shape, beta: -0.5f, hasBias: true);
    }

    [TestCaseSource(nameof(FormCases))]
    public void Multiply_OddSizes_MatchesReference(GemmShape form)
    {
        // Triples drawn from the sizes next to every blocking factor that a kernel may have; each size also once with 1 in the other places.
        int[] sizes = IsFast ? OddSizes : [1, 2, 7, 8, 9, 17, 33];
        foreach (int size in sizes)
        {
            AssertMatches(form with { M = size, N = 1, K = 1 });
            AssertMatches(form with { M = 1, N = size, K = 1 });
            AssertMatches(form with { M = 1, N = 1, K = size });
        }

        for (int i = 0; i < (IsFast ? 60 : 6); i++)
        {
            int Any() => sizes[Random.Next(sizes.Length)];
            AssertMatches(form with { M = Any(), N = Any(), K = Any() }, beta: i % 2, hasBias: i % 3 == 0);
        }
    }

    [TestCaseSource(nameof(FormCases))]
    public void Multiply_MoreThanOneTile_MatchesReference(GemmShape form)
    {
        AssertMatches(form with { M = 130, N = 9, K = 10 });
        AssertMatches(form with { M = 9, N = 130, K = 10 }, beta: 1, hasBias: true);
    }

    [TestCaseSource(nameof(FormCases))]
    public void Multiply_LongSums_MatchesReference(GemmShape form)
    {
        // Longer than the slices, blocks and chunks in which a kernel takes the sum: few rows, few columns, many of both.
        int k = IsFast ? 1101 : 70;
        AssertMatches(form with { M = 9, N = 301, K = k }, beta: 1, hasBias: true);
        AssertMatches(form with { M = 301, N = 9, K = k }, beta: 1, hasBias: true);
        AssertMatches(form with { M = 67, N = 70, K = k });

        // Several slices of several parts of several workers; and rows that drive one another out of the cache.
        AssertMatches(IsFast ? form with { M = 205, N = 531, K = 401 } : form with { M = 131, N = 140, K = 19 }, beta: 1, hasBias: true);
        AssertMatches(form with { M = 67, N = 70, K = IsFast ? 1024 : 64 });
    }

    [TestCaseSource(nameof(FormCases))]
    public void Multiply_MoreThanOneBlock_MatchesReference(GemmShape form)
    {
        // More of C than a kernel keeps packed at a time, and more columns than a stripe of a few rows has.
        AssertMatches(IsFast ? form with { M = 2311, N = 2569, K = 5 } : form with { M = 131, N = 140, K = 5 });
        AssertMatches(form with { M = 5, N = IsFast ? 8300 : 140, K = 70 }, beta: 1, hasBias: true);
    }

    /// <remarks>The square of a symmetric matrix, and a matrix times its own transpose, on either side: what lies above the diagonal is not computed on the host, and must be right nevertheless.</remarks>
    [Test]
    public void MultiplySymmetric_MatchesReference()
    {
        foreach (int n in IsFast ? [0, 1, 2, 15, 16, 17, 63, 64, 65, 130, 257] : (int[])[0, 1, 3, 17])
        {
            int k = 1 + Random.Next(IsFast ? 200 : 9);
            float[] half = Normal(n * n), symmetric = [.. Enumerable.Range(0, n * n).Select(i => half[Math.Max(i / n, i % n) * n + Math.Min(i / n, i % n)])];
            AssertSymmetric(new GemmShape(n, n, n), Input(new Shape(n, n), symmetric, "symmetric"));
            AssertSymmetric(new GemmShape(n, n, k, TransposeB: true), Input(new Shape(n, k)));
            AssertSymmetric(new GemmShape(n, n, k, TransposeA: true), Input(new Shape(k, n)));
        }
    }

    [Test]
    public void MultiplySymmetric_OfWhatIsNotSquare_IsRefused()
    {
        var shape = new GemmShape(2, 3, 4);
        AssertRefused(() => Op.MultiplySymmetric(shape, Input(shape.A), Input(shape.B), Output(shape.C)), "square", "[2, 3]");
    }

    [Test]
    public void Multiply_EmptySum_IsBiasAndOldValue()
    {
        AssertMatches(new GemmShape(3, 4, 0), beta: 0, hasBias: false);
        AssertMatches(new GemmShape(3, 4, 0), beta: 2, hasBias: true);
    }

    [Test]
    public void Multiply_EmptyProduct_TouchesNothing()
    {
        AssertMatches(new GemmShape(0, 4, 5));
        AssertMatches(new GemmShape(4, 0, 5));
    }

    [Test]
    public void Multiply_BetaZero_DoesNotReadC()
    {
        var shape = new GemmShape(2, 3, 4);
        Tensor a = Input(shape.A), b = Input(shape.B), c = Output(shape.C);
        Op.Multiply(shape, a, b, c, beta: 0);
        Assert.That(c.ToArray(), Has.None.NaN);
    }

    [TestCaseSource(nameof(FormCases))]
    public void Multiply_NaNAndInfinity_StayInTheirRowsAndColumns(GemmShape shape)
    {
        float[] a = Normal(shape.A.Length), b = Normal(shape.B.Length);
        a[shape.TransposeA ? 1 : shape.K] = float.NaN; // op(A)[1, 0]
        b[shape.TransposeB ? 2 * shape.K : 2] = float.PositiveInfinity; // op(B)[0, 2]
        Tensor c = Output(shape.C);
        Op.Multiply(shape, Input(shape.A, a), Input(shape.B, b), c);
        Compare.Close(c, GemmReference.Multiply(shape, a.ToDouble(), b.ToDouble(), []), Tolerances.Sum(shape.K));
    }

    [TestCaseSource(nameof(FormCases))]
    public void Multiply_RepeatedRuns_AreBitEqual(GemmShape form)
    {
        GemmShape shape = IsFast ? form with { M = 65, N = 130, K = 257 } : form with { M = 9, N = 17, K = 33 };
        Tensor a = Input(shape.A), b = Input(shape.B), first = Output(shape.C), second = Output(shape.C);
        Op.Multiply(shape, a, b, first);
        Op.Multiply(shape, a, b, second);
        Compare.BitEqual(second.ToArray(), first.ToArray());
    }

    [Test]
    public void Multiply_WrongArguments_AreRefused()
    {
        var shape = new GemmShape(2, 3, 4);
        Tensor a = Input(shape.A), b = Input(shape.B), c = Output(shape.C), shared = Output(new Shape(64));
        AssertRefused(() => Op.Multiply(shape, b, b, c), "a is [4, 3]", "expected [2, 4]");
        AssertRefused(() => Op.Multiply(shape, a, b, c, bias: a), "bias is [2, 4]", "expected [3]");
        AssertRefused(() => Op.Multiply(shape with { TransposeA = true, TransposeB = true }, a, b, c), "transposed");
        AssertRefused(() => Op.Multiply(shape, shared.Slice(0, shape.A), b, shared.Slice(0, shape.C)), "c [2, 3] overlaps a [2, 4]");
        using Tensor elsewhere = TestEngines.Stranger.Allocate(shape.A);
        AssertRefused(() => Op.Multiply(shape, elsewhere, b, c), "a [2, 4]", Engine.Name);
    }

    private void AssertSymmetric(GemmShape shape, Tensor a)
    {
        Tensor c = Output(shape.C);
        double[] expected = GemmReference.Multiply(shape, a.ToDouble(), a.ToDouble(), []);
        Op.MultiplySymmetric(shape, a, a, c);
        Compare.Close(c, expected, Tolerances.Sum(shape.K + 2), $"{shape}");
        NextCase();
    }

    private void AssertMatches(GemmShape shape, float beta = 0, bool hasBias = false)
    {
        Tensor a = Input(shape.A), b = Input(shape.B);
        Tensor c = beta == 0 ? Output(shape.C) : Accumulator(shape.C, Normal(shape.C.Length));
        Tensor? bias = hasBias ? Input(new Shape(shape.N)) : null;
        double[] expected = GemmReference.Multiply(shape, a.ToDouble(), b.ToDouble(), c.ToDouble(), beta, bias?.ToDouble());
        Op.Multiply(shape, a, b, c, beta, bias);
        Compare.Close(c, expected, Tolerances.Sum(shape.K + 2), $"{shape}, beta {beta}{(hasBias ? ", bias" : "")}");
        NextCase();
    }
}

public sealed class GemmReferenceTests
{
    [Test]
    public void Multiply_MatchesMathNet()
    {
        Matrix<double> a = Matrix<double>.Build.Random(4, 3, seed: 1), b = Matrix<double>.Build.Random(3, 5, seed: 2);
        double[] expected = (a * b).ToRowMajorArray();
        double[] aRows = a.ToRowMajorArray(), aColumns = a.ToColumnMajorArray(), bRows = b.ToRowMajorArray(), bColumns = b.ToColumnMajorArray();
        Compare.Close(GemmReference.Multiply(new GemmShape(4, 5, 3), aRows, bRows, []), expected, Tolerances.Differences, "NN");
        Compare.Close(GemmReference.Multiply(new GemmShape(4, 5, 3, TransposeB: true), aRows, bColumns, []), expected, Tolerances.Differences, "NT");
        Compare.Close(GemmReference.Multiply(new GemmShape(4, 5, 3, TransposeA: true), aColumns, bRows, []), expected, Tolerances.Differences, "TN");
    }

    [Test]
    public void ProductsOfALinearLayer_AreItsGradients()
    {
        const int m = 3, n = 4, k = 5;
        double[] a = Arrays.Normal(m * k, seed: 1), b = Arrays.Normal(k * n, seed: 2), dC = Arrays.Normal(m * n, seed: 3);
        double Loss() => Arrays.Dot(GemmReference.Multiply(new GemmShape(m, n, k), a, b, []), dC);
        double[] dA = GemmReference.Multiply(new GemmShape(m, k, n, TransposeB: true), dC, b, []);
        double[] dB = GemmReference.Multiply(new GemmShape(k, n, m, TransposeA: true), a, dC, []);
        Differences.AssertGradient(Loss, a, dA, "a");
        Differences.AssertGradient(Loss, b, dB, "b");
    }
}
