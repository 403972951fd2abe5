using Ds2.Kernels.Engines;

namespace Ds2.Kernels.Ops;

/// <summary>A gated recurrent layer, in PyTorch's and cuDNN's form, over sequences of differing length, in one or both directions.</summary>
/// <remarks>
/// For each frame, h being the state before it (at the sequence's start zero, or the initial state that the caller gives):
/// r = sigmoid(W_r x + b_r + U_r h + c_r), z = sigmoid(W_z x + b_z + U_z h + c_z), n = tanh(W_n x + b_n + r (U_n h + c_n)), h' = (1 - z) n + z h.
/// The state of a padded frame (t >= lengths[n]) is zero. So the output there is zero, the backward direction, which runs from frame T - 1 down,
/// starts each utterance at its own last frame with a zero state, and no gradient passes through padding.
/// A sequence may come in pieces, with one direction: each piece's final state is the next one's initial state. A backward direction would have to hear the end first; its states are refused.
/// Sources: Cho et al., arXiv:1406.1078; the variant with r applied after U_n: Appleyard et al., arXiv:1604.01946.
/// </remarks>
/// <param name="engine">The engine it runs on.</param>
public abstract class Gru(IEngine engine) : Op(engine)
{
    /// <summary>The implementation for an engine.</summary>
    /// <param name="engine">The engine it runs on.</param>
    /// <param name="precision">How its products with the state read the recurrent weight.</param>
    public static Gru On(IEngine engine, RecurrentPrecision precision = RecurrentPrecision.Fp32) =>
        engine.Implement<Gru>(host => new HostGru(host, precision), ilgpu => new IlgpuGru(ilgpu, precision));

    /// <summary>The recurrent weights of all directions in the order in which the forward pass reads them (<see cref="Pack"/>).</summary>
    public Shape PackedShape(int hidden, int directions) => new(directions, PackedLength(hidden, directions));

    /// <summary>Scratch that <see cref="Forward"/> needs, in fp32 elements.</summary>
    public int ForwardWorkspace(GruShape shape) => checked(Workspace.Round(PackedShape(shape.H, shape.Directions).Length) + PassWorkspace(shape, keepsGates: true));

    /// <summary>Scratch that <see cref="Infer"/> needs, in fp32 elements.</summary>
    public int InferWorkspace(GruShape shape) => checked(
        PassWorkspace(shape, keepsGates: false) + Workspace.Round(shape.Gates.Length) + (shape.Directions == 1 ? 0 : Workspace.Round(shape.Hidden.Length)));

    /// <summary>Scratch that <see cref="Backward"/> needs, in fp32 elements.</summary>
    public abstract int BackwardWorkspace(GruShape shape);

    /// <summary>Runs the layer and keeps what <see cref="Backward"/> needs.</summary>
    /// <param name="shape">The sizes.</param>
    /// <param name="x">[T, N, I]; what stands at padded frames is ignored.</param>
    /// <param name="lengths">[N]: valid frames of each utterance, 0..T.</param>
    /// <param name="weights">The parameters of each direction, the forward one first.</param>
    /// <param name="y">[T, N, H]: the sum of the directions' states; overwritten. With one direction it is <paramref name="hidden"/> itself, seen as [T, N, H].</param>
    /// <param name="hidden">[Directions, T, N, H]: each direction's states; overwritten, kept for <see cref="Backward"/>.</param>
    /// <param name="gates">[Directions, T, N, 3H]: r, z, n after their nonlinearities; overwritten, kept for <see cref="Backward"/>.</param>
    /// <param name="candidates">[Directions, T, N, H]: U_n h + c_n; overwritten, kept for <see cref="Backward"/>.</param>
    /// <param name="workspace">At least <see cref="ForwardWorkspace"/> elements.</param>
    /// <param name="initial">[N, H]: the state before the first frame, with one direction; null for zeros.</param>
    /// <param name="final">[N, H], with one direction: the state after each utterance's last frame; of an empty utterance the initial one; overwritten. It may be
    /// <paramref name="initial"/> itself. A gradient with respect to it is one with respect to y at frame lengths[n] - 1. Null where nobody wants it.</param>
    /// <exception cref="ArgumentException">A shape or the engine differs, outputs overlap, the workspace is short, or a state is given with two directions.</exception>
    public void Forward(
        GruShape shape, Tensor x, IntTensor lengths, ReadOnlySpan<GruWeights> weights,
        Tensor y, Tensor hidden, Tensor gates, Tensor candidates, Workspace workspace, Tensor? initial = null, Tensor? final = null)
    {
        using ProfilerRange range = Range();
        CheckCommon(shape, x, lengths, weights, nameof(weights));
        Check.Is(y, Engine, shape.Y);
        Check.Is(hidden, Engine, shape.Hidden);
        Check.Is(gates, Engine, shape.Gates);
        Check.Is(candidates, Engine, shape.Hidden);
        Check.Disjoint(y, x);
        Check.Disjoint(hidden, x);
        Check.Disjoint(gates, hidden);
        Check.Disjoint(candidates, hidden);
        if (shape.Directions == 1)
            Check.That(y.SharesAllWith(hidden), "with one direction y is the hidden states themselves");
        else
            Check.Disjoint(y, hidden);
        if (initial is not null)
        {
            CheckState(shape, initial, nameof(initial));
            Check.Disjoint(hidden, initial);
            Check.Disjoint(gates, initial);
            Check.Disjoint(candidates, initial);
        }

        if (final is not null)
        {
            CheckState(shape, final, nameof(final));
            Check.Disjoint(final, x);
            Check.Disjoint(final, hidden);
            Check.Disjoint(final, gates);
            Check.Disjoint(final, candidates);
            if (initial is not null)
                Check.SameOrDisjoint(final, initial);
        }

        Check.Is(workspace, Engine);
        workspace.Begin(ForwardWorkspace(shape));
        if (shape.Y.Length > 0)
        {
            Tensor packed = workspace.Take(PackedShape(shape.H, shape.Directions));
            PackCore(shape.H, weights, packed);
            ForwardCore(shape, x, lengths, weights, packed, y, hidden, gates, candidates, workspace, initial);
        }

        if (final?.Length > 0)
            TakeFinalStates(shape, lengths, hidden, initial, final);
    }

    /// <summary>Packs the recurrent weights for <see cref="Infer"/>: they are then read as they were now, whatever becomes of the parameters.</summary>
    /// <param name="shape">The sizes; frames and utterances do not matter.</param>
    /// <param name="weights">The parameters of each direction, the forward one first.</param>
    /// <param name="packed"><see cref="PackedShape"/>; overwritten.</param>
    /// <exception cref="ArgumentException">A shape or the engine differs.</exception>
    public void Pack(GruShape shape, ReadOnlySpan<GruWeights> weights, Tensor packed)
    {
        CheckWeights(shape, weights, nameof(weights));
        Check.Is(packed, Engine, PackedShape(shape.H, shape.Directions));
        if (packed.Length > 0)
            PackCore(shape.H, weights, packed);
    }

    /// <summary>The output of <see cref="Forward"/>, bit for bit, where no backward pass follows: nothing is kept for one, and the recurrent weights were packed before.</summary>
    /// <param name="shape">The sizes.</param>
    /// <param name="x">[T, N, I]; what stands at padded frames is ignored.</param>
    /// <param name="lengths">[N]: valid frames of each utterance, 0..T.</param>
    /// <param name="weights">The parameters of each direction; the recurrent weights are not read.</param>
    /// <param name="packed">From <see cref="Pack"/>.</param>
    /// <param name="y">[T, N, H]; overwritten.</param>
    /// <param name="workspace">At least <see cref="InferWorkspace"/> elements.</param>
    /// <param name="initial">As for <see cref="Forward"/>.</param>
    /// <param name="final">As for <see cref="Forward"/>.</param>
    /// <exception cref="ArgumentException">A shape or the engine differs, outputs overlap, the workspace is short, or a state is given with two directions.</exception>
    public void Infer(
        GruShape shape, Tensor x, IntTensor lengths, ReadOnlySpan<GruWeights> weights, Tensor packed, Tensor y, Workspace workspace,
        Tensor? initial = null, Tensor? final = null)
    {
        using ProfilerRange range = Range();
        CheckCommon(shape, x, lengths, weights, nameof(weights));
        Check.Is(packed, Engine, PackedShape(shape.H, shape.Directions));
        Check.Is(y, Engine, shape.Y);
        Check.Disjoint(y, x);
        if (initial is not null)
        {
            CheckState(shape, initial, nameof(initial));
            Check.Disjoint(y, initial);
        }

        if (final is not null)
        {
            CheckState(shape, final, nameof(final));
            Check.Disjoint(final, x);
            Check.Disjoint(final, y);
            if (initial is not null)
                Check.SameOrDisjoint(final, initial);
        }

        Check.Is(workspace, Engine);
        workspace.Begin(InferWorkspace(shape));
        Tensor hidden = y.Reshape(new Shape(1, shape.T, shape.N, shape.H));
        if (shape.Y.Length > 0)
        {
            if (shape.Directions > 1)
                hidden = workspace.Take(shape.Hidden);
            ForwardCore(shape, x, lengths, weights, packed, y, hidden, workspace.Take(shape.Gates), candidates: null, workspace, initial);
        }

        if (final?.Length > 0)
            TakeFinalStates(shape, lengths, hidden, initial, final);
    }

    /// <summary>The gradients of a loss, given dY, with respect to the input and all parameters (back-propagation through time).</summary>
    /// <param name="shape">The sizes.</param>
    /// <param name="x">[T, N, I], as given to <see cref="Forward"/>.</param>
    /// <param name="lengths">[N], as given to <see cref="Forward"/>.</param>
    /// <param name="weights">The parameters of each direction.</param>
    /// <param name="hidden">From <see cref="Forward"/>.</param>
    /// <param name="gates">From <see cref="Forward"/>; its contents are undefined afterwards (the op may work in place).</param>
    /// <param name="candidates">From <see cref="Forward"/>; its contents are undefined afterwards.</param>
    /// <param name="dY">[T, N, H]; what stands at padded frames is ignored.</param>
    /// <param name="dX">[T, N, I]; overwritten, 0 at padded frames.</param>
    /// <param name="gradients">The gradients of each direction's parameters; accumulated.</param>
    /// <param name="workspace">At least <see cref="BackwardWorkspace"/> elements.</param>
    /// <param name="initial">As given to <see cref="Forward"/>, its contents unchanged.</param>
    /// <param name="dInitial">[N, H], with one direction: the gradient with respect to the initial state (that of zeros where none was given); overwritten, 0 for an empty
    /// utterance. Null where nobody wants it.</param>
    /// <exception cref="ArgumentException">A shape or the engine differs, outputs overlap inputs, the workspace is short, or a state is given with two directions.</exception>
    public void Backward(
        GruShape shape, Tensor x, IntTensor lengths, ReadOnlySpan<GruWeights> weights, Tensor hidden, Tensor gates, Tensor candidates,
        Tensor dY, Tensor dX, ReadOnlySpan<GruWeights> gradients, Workspace workspace, Tensor? initial = null, Tensor? dInitial = null)
    {
        using ProfilerRange range = Range();
        CheckCommon(shape, x, lengths, weights, nameof(weights));
        CheckCommon(shape, x, lengths, gradients, nameof(gradients));
        Check.Is(hidden, Engine, shape.Hidden);
        Check.Is(gates, Engine, shape.Gates);
        Check.Is(candidates, Engine, shape.Hidden);
        Check.Is(dY, Engine, shape.Y);
        Check.Is(dX, Engine, shape.X);
        Check.Disjoint(dX, x);
        Check.Disjoint(dX, dY);
        Check.Disjoint(dX, hidden);
        if (initial is not null)
        {
            CheckState(shape, initial, nameof(initial));
            Check.Disjoint(dX, initial);
            Check.Disjoint(gates, initial);
            Check.Disjoint(candidates, initial);
        }

        if (dInitial is not null)
        {
            CheckState(shape, dInitial, nameof(dInitial));
            Check.Disjoint(dInitial, x);
            Check.Disjoint(dInitial, hidden);
            Check.Disjoint(dInitial, gates);
            Check.Disjoint(dInitial, candidates);
            Check.Disjoint(dInitial, dY);
            Check.Disjoint(dInitial, dX);
            if (initial is not null)
                Check.Disjoint(dInitial, initial);
        }

        Check.Is(workspace, Engine);
        workspace.Begin(BackwardWorkspace(shape));
        if (shape.Y.Length > 0)
            BackwardCore(shape, x, lengths, weights, hidden, gates, candidates, dY, dX, gradients, workspace, initial, dInitial);
        else
            dInitial?.Fill(0);
    }

    /// <summary>The length of a direction's packed recurrent weight.</summary>
    protected abstract int PackedLength(int hidden, int directions);

    /// <summary>Scratch that <see cref="ForwardCore"/> needs.</summary>
    /// <param name="shape">The sizes.</param>
    /// <param name="keepsGates">Whether it is given memory for candidates.</param>
    protected abstract int PassWorkspace(GruShape shape, bool keepsGates);

    /// <summary><see cref="Pack"/> on validated arguments, not empty.</summary>
    protected abstract void PackCore(int hidden, ReadOnlySpan<GruWeights> weights, Tensor packed);

    /// <summary><see cref="Forward"/> on validated arguments, not empty, with packed recurrent weights. Without <paramref name="candidates"/> nobody reads the gates afterwards.</summary>
    protected abstract void ForwardCore(
        GruShape shape, Tensor x, IntTensor lengths, ReadOnlySpan<GruWeights> weights, Tensor packed,
        Tensor y, Tensor hidden, Tensor gates, Tensor? candidates, Workspace workspace, Tensor? initial);

    /// <summary>Writes <paramref name="final"/>, not empty: a copy of each utterance's last state in <paramref name="hidden"/>, else of its initial one, else zeros.</summary>
    protected abstract void TakeFinalStates(GruShape shape, IntTensor lengths, Tensor hidden, Tensor? initial, Tensor final);

    /// <summary><see cref="Backward"/> on validated arguments, not empty.</summary>
    protected abstract void BackwardCore(
        GruShape shape, Tensor x, IntTensor lengths, ReadOnlySpan<GruWeights> weights, Tensor hidden, Tensor gates, Tensor candidates,
        Tensor dY, Tensor dX, ReadOnlySpan<GruWeights> gradients, Workspace workspace, Tensor? initial, Tensor? dInitial);

    private void CheckState(GruShape shape, Tensor state, string name)
    {
        Check.That(shape.Directions == 1, $"{name} {state.Shape} is a state of one direction; a GRU of {shape.Directions}, {shape.Hidden}, starts with zeros");
        Check.Is(state, Engine, shape.State, name);
    }

    private void CheckCommon(GruShape shape, Tensor x, IntTensor lengths, ReadOnlySpan<GruWeights> weights, string name)
    {
        CheckWeights(shape, weights, name);
        Check.Is(x, Engine, shape.X);
        Check.Is(lengths, Engine, new Shape(shape.N));
    }

    private void CheckWeights(GruShape shape, ReadOnlySpan<GruWeights> weights, string name)
    {
        Check.That(shape.Directions is 1 or 2, "a GRU has one or two directions");
        Check.That(weights.Length == shape.Directions, $"{name} has {weights.Length} entries, one for each of {shape.Directions} directions are needed");
        foreach (GruWeights direction in weights)
        {
            Check.Is(direction.Input, Engine, shape.InputWeight, $"{name}.Input");
            Check.Is(direction.Recurrent, Engine, shape.RecurrentWeight, $"{name}.Recurrent");
            Check.Is(direction.InputBias, Engine, shape.Bias, $"{name}.InputBias");
            Check.Is(direction.RecurrentBias, Engine, shape.Bias, $"{name}.RecurrentBias");
        }
    }
}
