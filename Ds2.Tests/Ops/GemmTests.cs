using Ds2.Kernels.Engines.Ilgpu;
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

    /// <remarks>Sums that a GPU cuts where it is given a workspace: into whole slices, a shorter last one, a first block that is short, several tiles, rows of no whole groups of four.</remarks>
    [TestCaseSource(nameof(FormCases))]
    public void Multiply_InSlices_MatchesReference(GemmShape form)
    {
        AssertMatchesInSlices(form with { M = 8, N = 12, K = 64 }, beta: 0, hasBias: false);
        AssertMatchesInSlices(form with { M = 9, N = 7, K = 101 }, beta: 1, hasBias: false);
        AssertMatchesInSlices(form with { M = 4, N = 132, K = 72 }, beta: -0.5f, hasBias: true);
        AssertMatchesInSlices(form with { M = 131, N = 5, K = 83 }, beta: 0, hasBias: true);
    }

    /// <remarks>Scratch for more than is asked for, with something else in it each time.</remarks>
    [TestCaseSource(nameof(FormCases))]
    public void Multiply_InSlices_RepeatedRunsAreBitEqual(GemmShape form)
    {
        GemmShape shape = form with { M = 9, N = 17, K = 133 };
        Tensor a = Input(shape.A), b = Input(shape.B), first = Output(shape.C), second = Output(shape.C);
        Workspace scratch = Scratch(Op.WorkspaceFor(shape with { K = 2 * shape.K }));
        Op.Multiply(shape, a, b, first, workspace: scratch);
        Op.Multiply(shape with { K = 0 }, Input((shape with { K = 0 }).A), Input((shape with { K = 0 }).B), second, workspace: scratch);
        Op.Multiply(shape, a, b, second, workspace: scratch);
        Compare.BitEqual(second.ToArray(), first.ToArray());
    }

    [TestCaseSource(nameof(FormCases))]
    public void Multiply_InSlices_NaNAndInfinityStayInTheirRowsAndColumns(GemmShape form)
    {
        GemmShape shape = form with { M = 5, N = 7, K = 75 };
        AssertPlaced(shape, Scratch(Op.WorkspaceFor(shape)));
    }

    /// <remarks>The square of a symmetric matrix, and a matrix times its own transpose, on either side: what lies above the diagonal is not computed on the host, and must be right nevertheless.</remarks>
    [Test]
    public void MultiplySymmetric_MatchesReference()
    {
        foreach (int n in IsFast ? [0, 1, 2, 15, 16, 17, 63, 64, 65, 128, 130, 132, 257, 260] : (int[])[0, 1, 3, 17])
        {
            int k = n % 4 == 0 ? 4 * (1 + Random.Next(IsFast ? 50 : 3)) : 1 + Random.Next(IsFast ? 200 : 9);
            float[] half = Normal(n * n), symmetric = [.. Enumerable.Range(0, n * n).Select(i => half[Math.Max(i / n, i % n) * n + Math.Min(i / n, i % n)])];
            AssertSymmetric(new GemmShape(n, n, n), [symmetric]);
            AssertSymmetric(new GemmShape(n, n, n, TransposeB: true), [symmetric, [.. symmetric.Select(value => -value)]]);
            AssertSymmetric(new GemmShape(n, n, k, TransposeB: true), [Normal(n * k)]);
            AssertSymmetric(new GemmShape(n, n, k, TransposeA: true), [Normal(n * k), Normal(n * k)]);
        }
    }

    /// <remarks>Two, three and four tiles of a GPU's product a side: those up to the diagonal fill a rectangle in one way where their number is odd, in another where it is even.</remarks>
    [TestCase(132)]
    [TestCase(260)]
    [TestCase(388)]
    public void MultiplySymmetric_MoreThanOneTile_MatchesReference(int n)
    {
        AssertSymmetric(new GemmShape(n, n, 4, TransposeB: true), [Normal(n * 4), Normal(n * 4)]);
        AssertSymmetric(new GemmShape(n, n, 7, TransposeA: true), [Normal(n * 7), Normal(n * 7)]);
    }

    [Test]
    public void MultiplySymmetric_OfWhatIsNotSquare_IsRefused()
    {
        var shape = new GemmShape(2, 3, 4);
        AssertRefused(() => Op.MultiplySymmetric(shape, 1, Input(new Shape(1, 2, 4)), Input(new Shape(1, 4, 3)), Output(new Shape(1, 2, 3))), "square", "[2, 3]");
    }

    [TestCaseSource(nameof(FormCases))]
    public void MultiplyEach_MatchesReference(GemmShape form)
    {
        (int M, int N, int K)[] sizes = IsFast ? [(1, 1, 1), (132, 260, 36), (8, 4, 0), (129, 140, 20), (64, 130, 7)] : [(1, 1, 1), (8, 12, 4), (3, 5, 2), (132, 12, 8)];
        foreach ((int m, int n, int k) in sizes)
        {
            GemmShape shape = form with { M = m, N = n, K = k };
            foreach (int count in new[] { 0, 1, 3 })
            {
                float[][] a = [.. Enumerable.Range(0, count).Select(_ => Normal(shape.A.Length))], b = [.. a.Select(_ => Normal(shape.B.Length))];
                Tensor c = Output(Each(count, shape.C));
                Op.MultiplyEach(shape, count, Input(Each(count, shape.A), [.. a.SelectMany(one => one)]), Input(Each(count, shape.B), [.. b.SelectMany(one => one)]), c);
                double[] expected = [.. a.Zip(b).SelectMany(pair => GemmReference.Multiply(shape, pair.First.ToDouble(), pair.Second.ToDouble(), []))];
                Compare.Close(c, expected, Tolerances.Sum(k + 2), $"{count} of {shape}");
                NextCase();
            }
        }
    }

    [Test]
    public void MultiplyEach_WrongArguments_AreRefused()
    {
        var shape = new GemmShape(2, 3, 4);
        Tensor a = Input(Each(2, shape.A)), b = Input(Each(2, shape.B)), c = Output(Each(2, shape.C));
        AssertRefused(() => Op.MultiplyEach(shape, 3, a, b, c), "a is [2, 2, 4]", "expected [3, 2, 4]");
        AssertRefused(() => Op.MultiplyEach(shape, 2, a, b, a), "c is [2, 2, 4]", "expected [2, 2, 3]");
        AssertRefused(() => Op.MultiplyEach(shape with { TransposeA = true, TransposeB = true }, 2, a, b, c), "transposed");
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
    public void Multiply_NaNAndInfinity_StayInTheirRowsAndColumns(GemmShape shape) => AssertPlaced(shape, null);

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
        GemmShape longer = shape with { K = 200 };
        if (Op.WorkspaceFor(longer) > 0)
            AssertRefused(() => Op.Multiply(longer, Input(longer.A), Input(longer.B), c, workspace: Scratch(Op.WorkspaceFor(longer) - 1)), "workspace");
    }

    private void AssertPlaced(GemmShape shape, Workspace? workspace)
    {
        float[] a = Normal(shape.A.Length), b = Normal(shape.B.Length);
        a[shape.TransposeA ? 1 : shape.K] = float.NaN; // op(A)[1, 0]
        b[shape.TransposeB ? 2 * shape.K : 2] = float.PositiveInfinity; // op(B)[0, 2]
        Tensor c = Output(shape.C);
        Op.Multiply(shape, Input(shape.A, a), Input(shape.B, b), c, workspace: workspace);
        Compare.Close(c, GemmReference.Multiply(shape, a.ToDouble(), b.ToDouble(), []), Tolerances.Sum(shape.K));
    }

    private void AssertSymmetric(GemmShape shape, float[][] matrices)
    {
        Tensor a = Input(Each(matrices.Length, shape.A), [.. matrices.SelectMany(one => one)]), c = Output(Each(matrices.Length, shape.C));
        double[] expected = [.. matrices.SelectMany(one => GemmReference.Multiply(shape, one.ToDouble(), one.ToDouble(), []))];
        Op.MultiplySymmetric(shape, matrices.Length, a, a, c);
        Compare.Close(c, expected, Tolerances.Sum(shape.K + 2), $"{shape}");
        NextCase();
    }

    private static Shape Each(int count, Shape matrix) => new(count, matrix[0], matrix[1]);

    private void AssertMatchesInSlices(GemmShape shape, float beta, bool hasBias)
    {
        if (Engine is IlgpuEngine gpu)
            Assert.That(GemmSlices.Of(shape, gpu.Multiprocessors).Count, Is.GreaterThan(1), "slices");
        AssertMatches(shape, beta, hasBias, inSlices: true);
    }

    private void AssertMatches(GemmShape shape, float beta = 0, bool hasBias = false, bool inSlices = false)
    {
        Tensor a = Input(shape.A), b = Input(shape.B);
        Tensor c = beta == 0 ? Output(shape.C) : Accumulator(shape.C, Normal(shape.C.Length));
        Tensor? bias = hasBias ? Input(new Shape(shape.N)) : null;
        double[] expected = GemmReference.Multiply(shape, a.ToDouble(), b.ToDouble(), c.ToDouble(), beta, bias?.ToDouble());
        Op.Multiply(shape, a, b, c, beta, bias, inSlices ? Scratch(Op.WorkspaceFor(shape)) : null);
        Compare.Close(c, expected, Tolerances.Sum(shape.K + 2), $"{shape}, beta {beta}{(hasBias ? ", bias" : "")}");
        NextCase();
    }
}

public sealed class GemmSlicesTests
{
    private const int Multiprocessors = 56;

    [TestCase(512, 512, 4800, 7)]
    [TestCase(1024, 512, 4800, 7)]
    [TestCase(29, 512, 4800, 14)]
    [TestCase(512, 512, 40, 1)]
    [TestCase(7680, 2560, 4800, 1)]
    [TestCase(5, 7, 0, 1)]
    public void Of_FewTilesOfLongSums_FillsTheMultiprocessors(int m, int n, int k, int slices) =>
        Assert.That(GemmSlices.Of(new GemmShape(m, n, k, TransposeA: true), Multiprocessors).Count, Is.EqualTo(slices));

    /// <remarks>A shorter sum may be cut into more slices than a longer one: memory that is taken for the longest must do for all.</remarks>
    [TestCase(29, 512)]
    [TestCase(130, 129)]
    [TestCase(512, 512)]
    [TestCase(1536, 512)]
    [TestCase(1536, 672)]
    [TestCase(7680, 2560)]
    public void Most_IsEnoughForEveryShorterSum(int m, int n)
    {
        int most = 1, before = 0;
        for (int k = 0; k < 5000; k++)
        {
            var shape = new GemmShape(m, n, k, TransposeA: true);
            GemmSlices slices = GemmSlices.Of(shape, Multiprocessors);
            int blocks = GemmSlices.BlocksOf(k);
            most = Math.Max(most, slices.Count);
            Assert.That(GemmSlices.Most(shape, Multiprocessors), Is.GreaterThanOrEqualTo(Math.Max(most, before)), $"k = {k}");
            Assert.That(slices.Count * slices.Blocks, Is.GreaterThanOrEqualTo(blocks), $"k = {k}: all blocks");
            Assert.That((slices.Count - 1) * slices.Blocks, Is.LessThan(Math.Max(blocks, 1)), $"k = {k}: no slice without blocks");
            before = GemmSlices.Most(shape, Multiprocessors);
        }
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
