using Ds2.Kernels.Engines.Ilgpu;
using ILGPU;
using ILGPU.Algorithms;
using ILGPU.Runtime;

namespace Ds2.Kernels.Ops;

using BlendLauncher = Action<AcceleratorStream, KernelConfig, float, ArrayView<float>, int, ArrayView<float>, ArrayView<float>, ArrayView<float>>;
using CombineLauncher = Action<AcceleratorStream, KernelConfig, float, float, float, int, ArrayView<float>, ArrayView<float>>;
using NormalizeLauncher = Action<AcceleratorStream, KernelConfig, int, int, ArrayView<double>, ArrayView<float>>;
using UpdateLauncher = Action<AcceleratorStream, KernelConfig, float, float, ArrayView<float>, int, ArrayView<float>, ArrayView<float>>;

/// <summary><see cref="Muon"/> on a GPU: all but the products are passes bound by memory.</summary>
/// <remarks>A product of one matrix of a small layer has fewer tiles than the device has places for groups: each launch takes as many matrices as fill it several times.</remarks>
internal sealed class IlgpuMuon(IlgpuEngine engine) : Muon(engine)
{
    private const int Threads = 256;

    /// <summary>Groups of a symmetric product that one launch has where there are as many, of the 112 that a P100 holds at a time: so its last round, not full, is a small part.</summary>
    private const int GroupsAtATime = 448;

    /// <summary>Elements whose squares a group adds up, and more where a matrix would have more than <see cref="MostPieces"/>.</summary>
    private const int LeastPiece = 16 * Threads;
    private const int MostPieces = 256;

    private readonly BlendLauncher blend = engine.Load<BlendLauncher>(BlendKernel);
    private readonly NormalizeLauncher squares = engine.Load<NormalizeLauncher>(SquaresKernel);
    private readonly NormalizeLauncher normalize = engine.Load<NormalizeLauncher>(NormalizeKernel);
    private readonly CombineLauncher combine = engine.Load<CombineLauncher>(CombineKernel);
    private readonly UpdateLauncher update = engine.Load<UpdateLauncher>(UpdateKernel);

    private protected override void Blend(float decay, Tensor clip, Tensor gradients, Tensor momentum, Tensor x) => blend(
        Gpu.Stream, IlgpuEngine.Cover(x.Length, Threads), decay, clip.View(), x.Length, gradients.View(), momentum.View(), x.View());

    private protected override int TensorsAtATime(MuonShape matrices)
    {
        int tiles = GemmKernels.Tiles(matrices.LesserSide), groups = matrices.Count * tiles * (tiles + 1) / 2;
        return (GroupsAtATime + groups - 1) / Math.Max(groups, 1);
    }

    private protected override int MatricesAtATime(MuonShape matrices) => matrices.Count * TensorsAtATime(matrices);

    /// <remarks>For which there is a kernel that leaves half of the tiles out.</remarks>
    private protected override GemmShape SquareOf(int n) => new(n, n, n, TransposeB: true);

    private protected override int NormScratch(MuonShape matrices) => Workspace.Round(2 * matrices.Count * Pieces(matrices));

    private protected override void Normalize(MuonShape matrices, Tensor x, Workspace workspace)
    {
        int pieces = Pieces(matrices), length = matrices.Matrix.Length, piece = (length + pieces - 1) / pieces;
        var grid = new KernelConfig(new Index3D(pieces, matrices.Count, 1), new Index3D(Threads, 1, 1));
        ArrayView<double> sums = workspace.Take(new Shape(2 * matrices.Count * pieces)).View().Cast<double>();
        squares(Gpu.Stream, grid, length, piece, sums, x.View());
        normalize(Gpu.Stream, grid, length, piece, sums, x.View());
    }

    private protected override void Combine(float a, float b, float c, Tensor square, Tensor squared) => combine(
        Gpu.Stream, IlgpuEngine.Cover(square.Length, Threads), a, b, c, square.Shape[1], square.View(), squared.View());

    private protected override void Update(float decay, float size, Tensor clip, Tensor o, Tensor parameters) => update(
        Gpu.Stream, IlgpuEngine.Cover(o.Length, Threads), decay, size, clip.View(), o.Length, o.View(), parameters.View());

    [GpuKernel(Threads)]
    private static void BlendKernel(
        float decay, ArrayView<float> clip, int length, ArrayView<float> gradients, ArrayView<float> momentum, ArrayView<float> x)
    {
        int i = Grid.GlobalIndex.X;
        if (i >= length)
            return;
        float factor = clip[1];
        if (factor == 0)
        {
            x[i] = 0;
            return;
        }

        float g = factor * gradients[i], m = momentum[i];
        m += (1 - decay) * (g - m);
        momentum[i] = m;
        x[i] = m + (1 - decay) * (g - m);
    }

    private static int Pieces(MuonShape matrices) => Math.Clamp(matrices.Matrix.Length / LeastPiece, 1, MostPieces);

    /// <summary>The sum of a piece's squares, the grid's x counting pieces and its y matrices.</summary>
    [GpuKernel(Threads)]
    private static void SquaresKernel(int length, int piece, ArrayView<double> sums, ArrayView<float> x)
    {
        ArrayView<double> scratch = SharedMemory.Allocate<double>(Threads);
        int matrix = Grid.IdxY * length;
        int start = Grid.IdxX * piece;
        int end = IntrinsicMath.Min(start + piece, length);
        double sum = 0;
        for (int i = start + Group.IdxX; i < end; i += Threads)
        {
            double value = x[matrix + i];
            sum += value * value;
        }

        sum = GroupTree.Reduce<double, DoubleSum>(scratch, sum, Threads, 1);
        if (Group.IdxX == 0)
            sums[Grid.IdxY * Grid.DimX + Grid.IdxX] = sum;
    }

    /// <summary>Divides a piece by the norm of its matrix; each group adds up all pieces' sums, in the same order.</summary>
    [GpuKernel(Threads)]
    private static void NormalizeKernel(int length, int piece, ArrayView<double> sums, ArrayView<float> x)
    {
        ArrayView<double> scratch = SharedMemory.Allocate<double>(Threads);
        int matrix = Grid.IdxY * length;
        int start = Grid.IdxX * piece;
        int end = IntrinsicMath.Min(start + piece, length);
        double sum = Group.IdxX < Grid.DimX ? sums[Grid.IdxY * Grid.DimX + Group.IdxX] : 0;
        sum = GroupTree.Reduce<double, DoubleSum>(scratch, sum, Threads, 1);
        var factor = (float)(1 / XMath.Max(XMath.Sqrt(sum), LeastNorm));
        for (int i = start + Group.IdxX; i < end; i += Threads)
            x[matrix + i] *= factor;
    }

    [GpuKernel(Threads)]
    private static void CombineKernel(float a, float b, float c, int n, ArrayView<float> square, ArrayView<float> squared)
    {
        int i = Grid.GlobalIndex.X;
        if (i >= squared.IntLength)
            return;
        int element = i % (n * n);
        float diagonal = element / n == element % n ? a : 0;
        squared[i] = c * squared[i] + b * square[i] + diagonal;
    }

    [GpuKernel(Threads)]
    private static void UpdateKernel(float decay, float size, ArrayView<float> clip, int length, ArrayView<float> o, ArrayView<float> parameters)
    {
        int i = Grid.GlobalIndex.X;
        if (i >= length || clip[1] == 0)
            return;
        float p = parameters[i];
        p -= decay * p;
        parameters[i] = p - size * o[i];
    }
}
