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
}

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

    /// <summary>Scratch that <see cref="Step"/> needs, in fp32 elements: the matrices, one more, and two squares of one's shorter side.</summary>
    public int WorkspaceFor(MuonShape matrices) => checked(Workspace.Round(matrices.Shape.Length) + Workspace.Round(matrices.Matrix.Length) + 2 * Workspace.Round(matrices.LesserSide * matrices.LesserSide));

    /// <summary>One step.</summary>
    /// <param name="options">The hyperparameters.</param>
    /// <param name="matrices">The sizes.</param>
    /// <param name="clip">[2]: norm and factor, from <see cref="GradientNorm.Compute"/>.</param>
    /// <param name="gradients">[count, rows, columns].</param>
    /// <param name="parameters">As the gradients; updated.</param>
    /// <param name="momentum">As the gradients, zero before the first step; updated.</param>
    /// <param name="workspace">At least <see cref="WorkspaceFor"/> elements.</param>
    /// <exception cref="ArgumentException">A shape or the engine differs, tensors overlap, or the workspace is short.</exception>
    public void Step(MuonOptions options, MuonShape matrices, Tensor clip, Tensor gradients, Tensor parameters, Tensor momentum, Workspace workspace)
    {
        using ProfilerRange range = Range();
        Check.Is(clip, Engine, new Shape(2));
        Check.Is(gradients, Engine, matrices.Shape);
        Check.Is(parameters, Engine, matrices.Shape);
        Check.Is(momentum, Engine, matrices.Shape);
        Check.Disjoint(parameters, gradients);
        Check.Disjoint(momentum, gradients);
        Check.Disjoint(momentum, parameters);
        Check.Is(workspace, Engine);
        if (matrices.Shape.Length == 0)
            return;
        workspace.Begin(WorkspaceFor(matrices));
        Tensor x = workspace.Take(matrices.Shape), y = workspace.Take(matrices.Matrix);
        Tensor square = workspace.Take(new Shape(matrices.LesserSide, matrices.LesserSide)), polynomial = workspace.Take(new Shape(matrices.LesserSide, matrices.LesserSide));
        Blend(options.Momentum, clip, gradients, momentum, x);
        Normalize(matrices, x);
        for (int matrix = 0; matrix < matrices.Count; matrix++)
            Orthogonalize(matrices, x.Slice(matrix * matrices.Matrix.Length, matrices.Matrix), y, square, polynomial);
        var size = (float)(options.LearningRate * StepOfAdam * Math.Sqrt(Math.Max(matrices.Rows, matrices.Columns)));
        Update(options.LearningRate * options.WeightDecay, size, clip, x, parameters);
    }

    /// <summary>Moves the momentum and writes Nesterov's mean of it and the gradient; with a clipping factor of 0, the momentum stays and zeros are written.</summary>
    private protected abstract void Blend(float decay, Tensor clip, Tensor gradients, Tensor momentum, Tensor x);

    /// <summary>Divides each matrix by its Frobenius norm; zeros stay.</summary>
    private protected abstract void Normalize(MuonShape matrices, Tensor x);

    /// <summary>squared = a I + b A + c squared.</summary>
    /// <param name="a">The coefficient of the unit matrix.</param>
    /// <param name="b">That of A.</param>
    /// <param name="c">That of its square.</param>
    /// <param name="square">A: [n, n].</param>
    /// <param name="squared">[n, n]: A² before, the polynomial after.</param>
    private protected abstract void Combine(float a, float b, float c, Tensor square, Tensor squared);

    /// <summary>p = p - decay p - size o, unless the clipping factor is 0.</summary>
    private protected abstract void Update(float decay, float size, Tensor clip, Tensor o, Tensor parameters);

    /// <summary>From x to y and back in turns: after an even number of iterations, as here, the result is in x.</summary>
    private void Orthogonalize(MuonShape matrices, Tensor x, Tensor y, Tensor square, Tensor polynomial)
    {
        int n = matrices.LesserSide;
        bool isWide = matrices.Rows <= matrices.Columns;
        GemmShape own = isWide ? new GemmShape(n, n, matrices.Columns, TransposeB: true) : new GemmShape(n, n, matrices.Rows, TransposeA: true);
        foreach ((float a, float b, float c) in Polynomials)
        {
            gemm.MultiplySymmetric(own, x, x, square);
            gemm.MultiplySymmetric(new GemmShape(n, n, n), square, square, polynomial);
            Combine(a, b, c, square, polynomial);
            if (isWide)
                gemm.Multiply(new GemmShape(n, matrices.Columns, n), polynomial, x, y);
            else
                gemm.Multiply(new GemmShape(matrices.Rows, n, n), x, polynomial, y);
            (x, y) = (y, x);
        }
    }
}
