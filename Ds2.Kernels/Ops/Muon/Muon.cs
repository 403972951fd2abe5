using Ds2.Kernels.Engines;

namespace Ds2.Kernels.Ops;

/// <summary>The hyperparameters of a Muon step.</summary>
/// <param name="LearningRate">The step size; that of AdamW serves, as the step's elements are of like size.</param>
/// <param name="Momentum">The decay of the gradients' running mean.</param>
/// <param name="WeightDecay">The decoupled decay's factor.</param>
public readonly record struct MuonOptions(float LearningRate, float Momentum = 0.95f, float WeightDecay = 0);

/// <summary>Matrices of one size, one after the other: the gates of a GRU's weight [3 H, I] are three of [H, I].</summary>
/// <param name="Count">Matrices.</param>
/// <param name="Rows">Rows of each.</param>
/// <param name="Columns">Columns of each.</param>
public readonly record struct MuonShape(int Count, int Rows, int Columns)
{
    /// <summary>All of them.</summary>
    public Shape Shape => new(Count, Rows, Columns);

    /// <summary>One of them.</summary>
    public Shape Matrix => new(Rows, Columns);

    /// <summary>The shorter side.</summary>
    public int LesserSide => Math.Min(Rows, Columns);

    /// <summary>Of each a square of its shorter side.</summary>
    internal Shape Square => new(Count, LesserSide, LesserSide);
}

/// <summary>What a step of Muon works on: [count, rows, columns] each.</summary>
/// <param name="Gradients">Read.</param>
/// <param name="Parameters">Updated.</param>
/// <param name="Momentum">Zero before the first step; updated.</param>
public readonly record struct MuonTensors(Tensor Gradients, Tensor Parameters, Tensor Momentum);

/// <summary>Muon: a step along the momentum of the gradient, whose singular values are all made about one. For weight matrices alone; vectors have <see cref="AdamW"/>.</summary>
/// <remarks>
/// g = factor * gradient; m = momentum m + (1 - momentum) g; u = momentum m + (1 - momentum) g (Nesterov); O = orthogonalized u;
/// p -= learningRate weightDecay p; p -= learningRate 0.2 sqrt(max(rows, columns)) O, of which an element's mean square is that of a step of AdamW.
/// O is u divided by its Frobenius norm, after four times X = a X + (b A + c A²) X with A = X Xᵀ (where X is taller than wide, from the right with Xᵀ X): odd polynomials that together take each singular value
/// above 0.003 into 0.8 .. 1.2 and leave the singular vectors. A clipping factor of 0 (see <see cref="GradientNorm"/>) leaves p and m as they are.
/// Sources: Jordan et al., "Muon: An optimizer for hidden layers in neural networks" (2024), for the iteration; Amsel et al., "The Polar Express", arXiv:2505.16932, for polynomials that are best one after
/// the other; Liu et al., "Muon is scalable for LLM training", arXiv:2502.16982, section 2.2, for the factor of 0.2.
/// </remarks>
/// <param name="engine">The engine it runs on.</param>
public abstract class Muon(IEngine engine) : Op(engine)
{
    /// <summary>A momentum below this, as a gradient that stays zero leaves behind, is not blown up: its reciprocal would be no fp32 number. Zeros stay zero.</summary>
    private protected const double LeastNorm = 1e-30;

    private const double StepOfAdam = 0.2;

    /// <summary>a, b and c of each iteration: the polynomials that bring [0.003, 1], then what each leaves of it, nearest to 1 in the largest error (Remez's exchange).</summary>
    public static IReadOnlyList<(float A, float B, float C)> Polynomials { get; } =
        [(8.3837f, -24.7659f, 18.3571f), (4.0434f, -3.0114f, 0.5695f), (3.5056f, -2.6267f, 0.5257f), (2.4901f, -1.8343f, 0.4368f)];

    private readonly Gemm gemm = Gemm.On(engine);

    /// <summary>The implementation for an engine.</summary>
    public static Muon On(IEngine engine) => engine.Implement<Muon>(host => new HostMuon(host), ilgpu => new IlgpuMuon(ilgpu));

    /// <summary>Scratch that <see cref="Step"/> needs, in fp32 elements: for as many matrices as the engine takes at a time a copy, one more, and two squares of the shorter side.</summary>
    /// <param name="matrices">The sizes.</param>
    /// <param name="tensors">How many tensors of that size one step has.</param>
    public int WorkspaceFor(MuonShape matrices, int tensors = 1)
    {
        MuonShape copied = matrices with { Count = matrices.Count * Math.Min(TensorsAtATime(matrices), tensors) };
        int together = Math.Min(MatricesAtATime(matrices), copied.Count);
        int square = Workspace.Round(checked(together * matrices.LesserSide * matrices.LesserSide));
        return checked(Workspace.Round(copied.Shape.Length) + Workspace.Round(together * matrices.Matrix.Length) + 2 * square + NormScratch(copied));
    }

    /// <summary>One step.</summary>
    /// <param name="options">The hyperparameters.</param>
    /// <param name="matrices">The sizes.</param>
    /// <param name="clip">[2]: norm and factor, from <see cref="GradientNorm.Compute"/>.</param>
    /// <param name="tensors">Any number of tensors of that size, each with its gradient and momentum.</param>
    /// <param name="workspace">At least <see cref="WorkspaceFor"/> elements.</param>
    /// <exception cref="ArgumentException">A shape or the engine differs, tensors overlap, or the workspace is short.</exception>
    public void Step(MuonOptions options, MuonShape matrices, Tensor clip, IReadOnlyList<MuonTensors> tensors, Workspace workspace)
    {
        ArgumentNullException.ThrowIfNull(tensors);
        using ProfilerRange range = Range();
        Check.Is(clip, Engine, new Shape(2));
        foreach ((Tensor gradients, Tensor parameters, Tensor momentum) in tensors)
        {
            Check.Is(gradients, Engine, matrices.Shape);
            Check.Is(parameters, Engine, matrices.Shape);
            Check.Is(momentum, Engine, matrices.Shape);
            Check.Disjoint(parameters, gradients);
            Check.Disjoint(momentum, gradients);
            Check.Disjoint(momentum, parameters);
        }

        Check.Is(workspace, Engine);
        if (matrices.Shape.Length == 0)
            return;
        foreach (MuonTensors[] some in tensors.Chunk(TensorsAtATime(matrices)))
            StepTogether(options, matrices, clip, some, workspace);
    }

    /// <summary>How many tensors are copied and taken through the products at a time.</summary>
    private protected abstract int TensorsAtATime(MuonShape matrices);

    /// <summary>How many matrices one product takes: all that are copied, where it is launched for all of them; or one after the other.</summary>
    private protected abstract int MatricesAtATime(MuonShape matrices);

    /// <summary>How a symmetric matrix is multiplied by itself: as A A or as A Aᵀ, which is the same to it and not to the engine.</summary>
    private protected abstract GemmShape SquareOf(int n);

    /// <summary>Scratch for the norms of these matrices, in fp32 elements.</summary>
    private protected abstract int NormScratch(MuonShape matrices);

    /// <summary>Moves the momentum and writes Nesterov's mean of it and the gradient; with a clipping factor of 0, the momentum stays and zeros are written.</summary>
    private protected abstract void Blend(float decay, Tensor clip, Tensor gradients, Tensor momentum, Tensor x);

    /// <summary>Divides each matrix by its Frobenius norm; zeros stay.</summary>
    private protected abstract void Normalize(MuonShape matrices, Tensor x, Workspace workspace);

    /// <summary>squared = a I + b A + c squared, of each matrix.</summary>
    /// <param name="a">The coefficient of the unit matrix.</param>
    /// <param name="b">That of A.</param>
    /// <param name="c">That of its square.</param>
    /// <param name="square">A: [count, n, n].</param>
    /// <param name="squared">[count, n, n]: A² before, the polynomial after.</param>
    private protected abstract void Combine(float a, float b, float c, Tensor square, Tensor squared);

    /// <summary>p = p - decay p - size o, unless the clipping factor is 0.</summary>
    private protected abstract void Update(float decay, float size, Tensor clip, Tensor o, Tensor parameters);

    private void StepTogether(MuonOptions options, MuonShape matrices, Tensor clip, MuonTensors[] tensors, Workspace workspace)
    {
        workspace.Begin(WorkspaceFor(matrices, tensors.Length));
        MuonShape all = matrices with { Count = matrices.Count * tensors.Length };
        MuonShape together = matrices with { Count = Math.Min(MatricesAtATime(matrices), all.Count) };
        Tensor x = workspace.Take(all.Shape), y = workspace.Take(together.Shape);
        Tensor square = workspace.Take(together.Square), polynomial = workspace.Take(together.Square);
        for (int i = 0; i < tensors.Length; i++)
            Blend(options.Momentum, clip, tensors[i].Gradients, tensors[i].Momentum, Copy(i));
        Normalize(all, x, workspace);
        for (int first = 0; first < all.Count; first += together.Count)
            Orthogonalize(together, x.Slice(first * matrices.Matrix.Length, together.Shape), y, square, polynomial);
        var size = (float)(options.LearningRate * StepOfAdam * Math.Sqrt(Math.Max(matrices.Rows, matrices.Columns)));
        for (int i = 0; i < tensors.Length; i++)
            Update(options.LearningRate * options.WeightDecay, size, clip, Copy(i), tensors[i].Parameters);

        Tensor Copy(int i) => x.Slice(i * matrices.Shape.Length, matrices.Shape);
    }

    /// <summary>From x to y and back in turns: after an even number of iterations, as here, the result is in x.</summary>
    private void Orthogonalize(MuonShape matrices, Tensor x, Tensor y, Tensor square, Tensor polynomial)
    {
        int n = matrices.LesserSide;
        bool isWide = matrices.Rows <= matrices.Columns;
        GemmShape own = isWide ? new GemmShape(n, n, matrices.Columns, TransposeB: true) : new GemmShape(n, n, matrices.Rows, TransposeA: true);
        foreach ((float a, float b, float c) in Polynomials)
        {
            gemm.MultiplySymmetric(own, matrices.Count, x, x, square);
            gemm.MultiplySymmetric(SquareOf(n), matrices.Count, square, square, polynomial);
            Combine(a, b, c, square, polynomial);
            if (isWide)
                gemm.MultiplyEach(new GemmShape(n, matrices.Columns, n), matrices.Count, polynomial, x, y);
            else
                gemm.MultiplyEach(new GemmShape(matrices.Rows, n, n), matrices.Count, x, polynomial, y);
            (x, y) = (y, x);
        }
    }
}
