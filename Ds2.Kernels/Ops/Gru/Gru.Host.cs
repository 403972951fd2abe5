using System.Runtime.CompilerServices;
using Ds2.Kernels.Engines.Host;

namespace Ds2.Kernels.Ops;

/// <summary><see cref="Gru"/> on the CPU: large products over all frames, and between them the recurrence.</summary>
internal sealed unsafe class HostGru(HostEngine engine, RecurrentPrecision precision) : Gru(engine)
{
    private readonly GruRecurrence recurrence = GruRecurrence.Create(engine.Lanes, precision);

    /// <inheritdoc/>
    public override int BackwardWorkspace(GruShape shape) =>
        checked(
            Workspace.Round(shape.H) + shape.Directions * (Workspace.Round(shape.N * shape.H) + recurrence.BackwardPanels(shape.H) + RoundedLength(shape)));

    /// <inheritdoc/>
    protected override int PackedLength(int hidden, int directions) => recurrence.ForwardPanels(hidden);

    /// <inheritdoc/>
    protected override int PassWorkspace(GruShape shape, bool keepsGates) => checked(Workspace.Round(shape.H) + Workspace.Round(3 * shape.H));

    /// <inheritdoc/>
    protected override void PackCore(int hidden, ReadOnlySpan<GruWeights> weights, Tensor packed)
    {
        for (int d = 0; d < weights.Length; d++)
            recurrence.Pack(Host.Workers, hidden, weights[d].Recurrent.Pointer(), packed.Pointer() + (nint)d * recurrence.ForwardPanels(hidden));
    }

    /// <inheritdoc/>
    protected override void ForwardCore(
        GruShape shape, Tensor x, IntTensor lengths, ReadOnlySpan<GruWeights> weights, Tensor packed,
        Tensor y, Tensor hidden, Tensor gates, Tensor? candidates, Workspace workspace, Tensor? initial)
    {
        int h = shape.H, rows = shape.T * shape.N;
        GruDirection[] directions = Directions(shape, weights, hidden, gates, candidates, initial, workspace);
        float* bias = workspace.Take(new Shape(3 * h)).Pointer();
        for (int d = 0; d < directions.Length; d++)
        {
            // c_n stays out: r multiplies it. The other gates only ever see the sum of their biases.
            new Span<float>(weights[d].InputBias.Pointer(), 3 * h).CopyTo(new Span<float>(bias, 3 * h));
            Elementwise.Run(new Accumulate(weights[d].RecurrentBias.Pointer(), bias), 2 * h);
            directions[d].Panels = packed.Pointer() + (nint)d * recurrence.ForwardPanels(h);
            MatrixProduct.Multiply(
                Host, rows, 3 * h, shape.I, false, true, x.Pointer(), shape.I, weights[d].Input.Pointer(), shape.I, directions[d].Gates, 3 * h, 0, bias);
        }

        recurrence.Forward(Host.Workers, shape, lengths.Pointer(), directions);
        if (directions.Length == 2)
            Elementwise.Run(Host.Workers, new Sum(directions[0].Hidden, directions[1].Hidden, y.Pointer()), y.Length);
    }

    /// <inheritdoc/>
    protected override void TakeFinalStates(GruShape shape, IntTensor lengths, Tensor hidden, Tensor? initial, Tensor final)
    {
        int* frames = lengths.Pointer();
        for (int n = 0; n < shape.N; n++)
        {
            Span<float> row = Row(final, n);
            if (frames[n] > 0)
                Row(hidden, (frames[n] - 1) * shape.N + n).CopyTo(row);
            else if (initial is null)
                row.Clear();
            else
                Row(initial, n).CopyTo(row);
        }

        Span<float> Row(Tensor states, int row) => new(states.Pointer() + (nint)row * shape.H, shape.H);
    }

    /// <inheritdoc/>
    protected override void BackwardCore(
        GruShape shape, Tensor x, IntTensor lengths, ReadOnlySpan<GruWeights> weights, Tensor hidden, Tensor gates, Tensor candidates,
        Tensor dY, Tensor dX, ReadOnlySpan<GruWeights> gradients, Workspace workspace, Tensor? initial, Tensor? dInitial)
    {
        GruDirection[] directions = Directions(shape, weights, hidden, gates, candidates, initial, workspace);
        for (int d = 0; d < directions.Length; d++)
        {
            directions[d].Carry = (dInitial ?? workspace.Take(new Shape(shape.N * shape.H))).Pointer();
            directions[d].Panels = workspace.Take(new Shape(recurrence.BackwardPanels(shape.H))).Pointer();
            if (precision == RecurrentPrecision.Fp16)
                directions[d].Recurrent = Rounded(shape, directions[d].Recurrent, workspace);
        }

        recurrence.Backward(Host.Workers, shape, lengths.Pointer(), directions, dY.Pointer(), beyondFirst: dInitial is not null);
        float* input = MaskedInput(shape, x.Pointer(), lengths.Pointer(), dX.Pointer());
        for (int d = 0; d < directions.Length; d++)
            AddParameterGradients(shape, input, directions[d], gradients[d]);
        for (int d = 0; d < directions.Length; d++)
            AddInputGradient(shape, directions[d], weights[d].Input.Pointer(), d == 0 ? 0 : 1, dX.Pointer());
    }

    private GruDirection[] Directions(
        GruShape shape, ReadOnlySpan<GruWeights> weights, Tensor hidden, Tensor gates, Tensor? candidates, Tensor? initial, Workspace workspace)
    {
        float* zeros = workspace.Take(new Shape(shape.H)).Pointer();
        new Span<float>(zeros, shape.H).Clear();
        var directions = new GruDirection[shape.Directions];
        nint states = (nint)shape.T * shape.N * shape.H;
        for (int d = 0; d < directions.Length; d++)
            directions[d] = new GruDirection
            {
                Reverse = d == 1,
                Recurrent = weights[d].Recurrent.Pointer(),
                CandidateBias = weights[d].RecurrentBias.Pointer() + 2 * shape.H,
                Gates = gates.Pointer() + d * 3 * states,
                Candidates = candidates is null ? null : candidates.Pointer() + d * states,
                Hidden = hidden.Pointer() + d * states,
                Initial = initial is null ? zeros : initial.Pointer(),
                InitialStride = initial is null ? 0 : shape.H,
            };
        return directions;
    }

    private int RoundedLength(GruShape shape) => precision == RecurrentPrecision.Fp32 ? 0 : Workspace.Round(shape.RecurrentWeight.Length);

    /// <summary>U as half precision holds it, in fp32.</summary>
    private float* Rounded(GruShape shape, float* recurrent, Workspace workspace)
    {
        float* rounded = workspace.Take(shape.RecurrentWeight).Pointer();
        Host.Workers.For(3 * shape.H, row =>
        {
            for (nint i = (nint)row * shape.H; i < (nint)(row + 1) * shape.H; i++)
                rounded[i] = (float)(Half)recurrent[i];
        });
        return rounded;
    }

    /// <summary>The input with zeros at padded frames: a zero gradient does not silence a NaN there. It is made in dX, which is not yet written.</summary>
    private float* MaskedInput(GruShape shape, float* x, int* lengths, float* dX)
    {
        if (!new Span<int>(lengths, shape.N).ContainsAnyExcept(shape.T))
            return x;
        Host.Workers.For(shape.T, t =>
        {
            for (int n = 0; n < shape.N; n++)
            {
                nint start = ((nint)t * shape.N + n) * shape.I;
                var row = new Span<float>(dX + start, shape.I);
                if (t < lengths[n])
                    new Span<float>(x + start, shape.I).CopyTo(row);
                else
                    row.Clear();
            }
        });
        return dX;
    }

    /// <summary>Products over all frames at once. The recurrence has left the gradients at r's, z's and U_n h's sums in Gates, that at n's in Candidates.</summary>
    private void AddParameterGradients(GruShape shape, float* x, GruDirection direction, GruWeights gradients)
    {
        int h = shape.H, i = shape.I, rows = shape.T * shape.N, laterRows = rows - shape.N;
        float* dW = gradients.Input.Pointer(), dU = gradients.Recurrent.Pointer(), dB = gradients.InputBias.Pointer();
        MatrixProduct.Multiply(Host, 2 * h, i, rows, true, false, direction.Gates, 3 * h, x, i, dW, i, 1, null);
        MatrixProduct.Multiply(Host, h, i, rows, true, false, direction.Candidates, h, x, i, dW + 2 * (nint)h * i, i, 1, null);

        // Each frame's gradients meet the state before it, which at a direction's first frame is zero, or the initial one.
        nint frame = shape.N;
        float* later = direction.Gates + (direction.Reverse ? 0 : frame * 3 * h), before = direction.Hidden + (direction.Reverse ? frame * h : 0);
        MatrixProduct.Multiply(Host, 3 * h, h, laterRows, true, false, later, 3 * h, before, h, dU, h, 1, null);
        if (direction.HasInitial)
            MatrixProduct.Multiply(Host, 3 * h, h, shape.N, true, false, direction.Gates, 3 * h, direction.Initial, h, dU, h, 1, null);

        ColumnSums.Add(Host.Workers, direction.Gates, rows, 3 * h, 3 * h, gradients.RecurrentBias.Pointer());
        ColumnSums.Add(Host.Workers, direction.Gates, rows, 2 * h, 3 * h, dB);
        ColumnSums.Add(Host.Workers, direction.Candidates, rows, h, h, dB + 2 * h);
    }

    private void AddInputGradient(GruShape shape, GruDirection direction, float* weight, float beta, float* dX)
    {
        int h = shape.H, i = shape.I, rows = shape.T * shape.N;
        MatrixProduct.Multiply(Host, rows, i, 2 * h, false, false, direction.Gates, 3 * h, weight, i, dX, i, beta, null);
        MatrixProduct.Multiply(Host, rows, i, h, false, false, direction.Candidates, h, weight + 2 * (nint)h * i, i, dX, i, 1, null);
    }

    private readonly struct Sum(float* a, float* b, float* result) : IElementwise
    {
        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public void Apply<TLanes>(int index)
            where TLanes : unmanaged, ILanes<TLanes> =>
            (TLanes.Load(a + index) + TLanes.Load(b + index)).Store(result + index);
    }
}
