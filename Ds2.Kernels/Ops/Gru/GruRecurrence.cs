using System.Runtime.CompilerServices;
using Ds2.Kernels.Engines.Host;
using static Ds2.Kernels.Engines.Host.Division;

namespace Ds2.Kernels.Ops;

/// <summary>What the recurrence reads and writes of one direction.</summary>
internal unsafe struct GruDirection
{
    /// <summary>Whether it runs from the last frame to the first.</summary>
    public bool Reverse;

    /// <summary>The recurrent weight U, [3H, H].</summary>
    public float* Recurrent;

    /// <summary>U packed in panels.</summary>
    public float* Panels;

    /// <summary>c_n, [H].</summary>
    public float* CandidateBias;

    /// <summary>[T, N, 3H]: projections, then gates, then their gradients.</summary>
    public float* Gates;

    /// <summary>[T, N, H]: U_n h + c_n, then the candidates' gradients. Null where no backward pass follows: neither they nor the gates are then written.</summary>
    public float* Candidates;

    /// <summary>[T, N, H].</summary>
    public float* Hidden;

    /// <summary>The state before the first frame of each utterance: [N, H], or zeros that all share.</summary>
    public float* Initial;

    /// <summary>Elements from an utterance's initial state to the next one's: H, or 0 where all share zeros.</summary>
    public int InitialStride;

    /// <summary>[N, H]: the gradient that reaches the state from later steps.</summary>
    public float* Carry;

    /// <summary>Whether the state before the first frame may be other than zero.</summary>
    public readonly bool HasInitial => InitialStride > 0;
}

/// <summary>The part of a GRU that goes frame by frame, for registers of some width.</summary>
/// <remarks>
/// All frames run inside one parallel region. A worker owns a slice of the units, reads its slice of the packed weight once a frame for the whole batch,
/// and finishes its units' gates while their products are at hand; one barrier a frame publishes the new states. Both directions advance together.
/// On even frames a worker walks its panels upwards, on odd frames downwards: those read last are then still in the cache.
/// </remarks>
internal abstract unsafe class GruRecurrence
{
    /// <summary>The recurrence for registers of a width.</summary>
    /// <param name="lanes">The width.</param>
    /// <param name="precision">How U is packed for the forward pass; the backward pass takes it as it is given.</param>
    public static GruRecurrence Create(int lanes, RecurrentPrecision precision) => lanes switch
    {
        16 => new GruRecurrence<Lanes512>(precision),
        8 => new GruRecurrence<Lanes256>(precision),
        4 => new GruRecurrence<Lanes128>(precision),
        _ => new GruRecurrence<Lanes1>(precision),
    };

    /// <summary>The length of a direction's packed U for the forward pass, in fp32 elements.</summary>
    public abstract int ForwardPanels(int h);

    /// <summary>The length of a direction's packed U for the backward pass.</summary>
    public abstract int BackwardPanels(int h);

    /// <summary>Packs a direction's U for the forward pass.</summary>
    /// <param name="workers">The threads.</param>
    /// <param name="h">Hidden units.</param>
    /// <param name="recurrent">U.</param>
    /// <param name="panels">The panels, <see cref="ForwardPanels"/>; overwritten.</param>
    public abstract void Pack(WorkerPool workers, int h, float* recurrent, float* panels);

    /// <summary>Turns the projections in Gates into r, z, n and fills Hidden and Candidates.</summary>
    /// <param name="workers">The threads.</param>
    /// <param name="shape">The sizes.</param>
    /// <param name="lengths">[N].</param>
    /// <param name="directions">One or two.</param>
    public abstract void Forward(WorkerPool workers, GruShape shape, int* lengths, GruDirection[] directions);

    /// <summary>Turns the gates into gradients before the nonlinearities: Gates becomes those of r, z and U_n h + c_n, Candidates that of n.</summary>
    /// <param name="workers">The threads.</param>
    /// <param name="shape">The sizes.</param>
    /// <param name="lengths">[N].</param>
    /// <param name="directions">One or two.</param>
    /// <param name="dY">[T, N, H].</param>
    /// <param name="beyondFirst">Whether Carry becomes the gradient of the initial state; else its contents are undefined afterwards.</param>
    public abstract void Backward(WorkerPool workers, GruShape shape, int* lengths, GruDirection[] directions, float* dY, bool beyondFirst);
}

/// <inheritdoc/>
[SkipLocalsInit] // clearing its buffers each frame would take longer than a small model's products
internal sealed unsafe class GruRecurrence<TLanes>(RecurrentPrecision precision) : GruRecurrence
    where TLanes : unmanaged, ILanes<TLanes>
{
    // A panel is three registers wide: forward the three gates of a register's units, backward three registers' units.
    private static int Width => SkinnyProduct<TLanes>.Width;

    private const int LineFloats = 16;

    // Times HalfPrecision.Scale it is finite.
    private const float LargestScaled = 16384;

    // Rows of a panel that are transposed before they are rounded: 12 KiB at most.
    private const int PackedAtOnce = 64;

    private static int MaxRows => SkinnyProduct<TLanes>.MaxRows;

    private bool IsHalf => precision == RecurrentPrecision.Fp16;

    /// <inheritdoc/>
    public override int ForwardPanels(int h)
    {
        int panels = Panels(h, TLanes.Count);
        return checked(Workspace.Round(panels * ForwardPanel(h)) + (IsHalf ? Workspace.Round(panels) : 0));
    }

    /// <inheritdoc/>
    public override int BackwardPanels(int h) => Workspace.Round(checked(Panels(h, Width) * Width * 3 * h));

    /// <inheritdoc/>
    public override void Forward(WorkerPool workers, GruShape shape, int* lengths, GruDirection[] directions)
    {
        int panels = Panels(shape.H, TLanes.Count);
        workers.Phases(shape.T, (part, step) =>
        {
            int first = Share(panels, part, workers.Threads), last = Share(panels, part + 1, workers.Threads);
            float** rows = stackalloc float*[shape.N];
            int* active = stackalloc int[shape.N];
            float* products = stackalloc float[MaxRows * Width], widened = stackalloc float[IsHalf ? SkinnyProduct<TLanes>.WidenedLength + LineFloats : 0];
            widened = (float*)((nint)(widened + LineFloats - 1) & -(LineFloats * sizeof(float)));
            float* scaled = stackalloc float[IsHalf ? shape.H + 1 : 0];
            foreach (ref GruDirection direction in directions.AsSpan())
                ForwardFrame(shape, lengths, ref direction, step, first, last, rows, active, products, widened, scaled);
        });
    }

    /// <inheritdoc/>
    public override void Backward(WorkerPool workers, GruShape shape, int* lengths, GruDirection[] directions, float* dY, bool beyondFirst)
    {
        int panels = Panels(shape.H, Width);
        workers.For(panels * directions.Length, item => PackColumns(directions[item / panels], item % panels, shape.H));

        // A step's phase begins with the end of the step before: the gate gradients need that product only for the part's own units.
        workers.Phases(beyondFirst ? shape.T + 1 : shape.T, (part, step) =>
        {
            int first = Share(panels, part, workers.Threads), last = Share(panels, part + 1, workers.Threads), end = Math.Min(last * Width, shape.H);
            float** rows = stackalloc float*[shape.N];
            int* active = stackalloc int[shape.N];
            float* products = stackalloc float[MaxRows * Width];
            foreach (ref GruDirection direction in directions.AsSpan())
            {
                if (step > 0)
                    StateGradients(shape, lengths, ref direction, step - 1, first, last, rows, active, products);
                else
                    for (int n = 0; n < shape.N; n++)
                        Units(direction.Carry + (nint)n * shape.H, first * Width, end).Clear();
            }

            if (step < shape.T)
                foreach (ref GruDirection direction in directions.AsSpan())
                    GateGradients(shape, lengths, ref direction, step, first * Width, end, dY);
        });
    }

    /// <inheritdoc/>
    public override void Pack(WorkerPool workers, int h, float* recurrent, float* panels) => workers.For(Panels(h, TLanes.Count), panel =>
    {
        if (IsHalf)
            *IsFinite(panels, panel, h) = PackHalfUnits(recurrent, panel, h, (uint*)(panels + (nint)panel * ForwardPanel(h))) ? 1 : 0;
        else
            PackUnits(recurrent, panel, 0, h, h, panels + (nint)panel * ForwardPanel(h));
    });

    private static int Panels(int h, int units) => Pieces(h, units);

    private static int Share(int panels, int worker, int workers) => (int)((long)panels * worker / workers);

    // Upwards in even steps, downwards in odd ones.
    private static int Panel(int step, int i, int first, int last) => (step & 1) == 0 ? i : first + last - 1 - i;

    private static Span<float> Units(float* row, int first, int last) => new(row + first, Math.Max(0, last - first));

    /// <summary>Some k of a forward panel: element (k, gate, lane) is U[gate H + unit, k].</summary>
    private static void PackUnits(float* recurrent, int panel, int k, int some, int h, float* target)
    {
        int unit = panel * TLanes.Count, units = Math.Min(TLanes.Count, h - unit);
        if (units < TLanes.Count)
            new Span<float>(target, Width * some).Clear();
        for (int gate = 0; gate < 3; gate++)
            Packing.Transpose(recurrent + ((nint)gate * h + unit) * h + k, h, units, some, target + gate * TLanes.Count, Width);
    }

    /// <summary>The same in half precision, the rows k and k + 1 in the words of one.</summary>
    /// <returns>Whether the panel's numbers are all finite.</returns>
    private static bool PackHalfUnits(float* recurrent, int panel, int h, uint* target)
    {
        bool isFinite = true;
        float* part = stackalloc float[PackedAtOnce * Width];
        for (int k = 0, some; k < h; k += some)
        {
            some = Math.Min(PackedAtOnce, h - k);
            PackUnits(recurrent, panel, k, some, h, part);
            if (some % 2 > 0)
                new Span<float>(part + some * Width, Width).Clear();
            for (int row = 0; row < some; row += 2, target += Width)
                isFinite &= HalfPrecision.Narrow(part + row * Width, part + (row + 1) * Width, Width, target);
        }

        return isFinite;
    }

    /// <summary>Backward panel: element (j, column) is U[j, unit + column].</summary>
    private static void PackColumns(GruDirection direction, int panel, int h)
    {
        float* target = direction.Panels + (nint)panel * Width * 3 * h;
        int unit = panel * Width, units = Math.Min(Width, h - unit);
        for (int j = 0; j < 3 * h; j++)
        {
            var row = new Span<float>(target + (nint)j * Width, Width);
            new Span<float>(direction.Recurrent + (nint)j * h + unit, units).CopyTo(row);
            row[units..].Clear();
        }
    }

    /// <summary>A state times <see cref="HalfPrecision.Scale"/>, and a zero; whether that is finite, as it is but for initial states far beyond any that a GRU reaches.</summary>
    private static bool Scale(float* state, int length, float* scaled)
    {
        TLanes lanes = TLanes.All(0);
        int i = 0;
        for (; i <= length - TLanes.Count; i += TLanes.Count)
        {
            TLanes h = TLanes.Load(state + i);
            (h * TLanes.All(HalfPrecision.Scale)).Store(scaled + i);
            lanes = TLanes.Max(lanes, TLanes.Max(h, TLanes.All(0) - h));
        }

        float largest = lanes.Max();
        for (; i < length; i++)
        {
            scaled[i] = state[i] * HalfPrecision.Scale;
            largest = Math.Max(largest, Math.Abs(state[i]));
        }

        scaled[length] = 0;
        return largest <= LargestScaled;
    }

    private int ForwardPanel(int h) => IsHalf ? checked(Pieces(h, 2) * Width) : checked(h * Width);

    // Behind the panels of halves, for each whether its numbers are all finite: 1 or 0.
    private float* IsFinite(float* panels, int panel, int h) => panels + Workspace.Round(Panels(h, TLanes.Count) * ForwardPanel(h)) + panel;

    private void ForwardFrame(
        GruShape shape, int* lengths, ref GruDirection direction, int step, int first, int last, float** rows, int* active, float* products, float* widened, float* scaled)
    {
        int h = shape.H, t = direction.Reverse ? shape.T - 1 - step : step;
        nint frame = (nint)t * shape.N, before = frame + (direction.Reverse ? shape.N : -shape.N);
        int count = 0;
        for (int n = 0; n < shape.N; n++)
        {
            if (t < lengths[n])
            {
                rows[count] = step == 0 ? direction.Initial + (nint)n * direction.InitialStride : direction.Hidden + (before + n) * h;
                active[count++] = n;
            }
            else
            {
                Units(direction.Hidden + (frame + n) * h, first * TLanes.Count, Math.Min(last * TLanes.Count, h)).Clear();
            }
        }

        int summed = step > 0 || direction.HasInitial ? h : 0;
        bool isAlone = IsHalf && count == 1 && Scale(rows[0], summed, scaled);
        for (int i = first; i < last; i++)
        {
            int panel = Panel(step, i, first, last), next = Panel(step, Math.Min(i + 1, last - 1), first, last), unit = panel * TLanes.Count;
            for (int row = 0; row < count; row += MaxRows)
            {
                int some = Math.Min(MaxRows, count - row);
                float* weights = direction.Panels + (nint)panel * ForwardPanel(h), following = direction.Panels + (nint)next * ForwardPanel(h);
                if (isAlone && *IsFinite(direction.Panels, panel, h) == 1)
                    SkinnyProduct<TLanes>.Multiply(scaled, summed, (uint*)weights, (uint*)following, products);
                else if (IsHalf)
                    SkinnyProduct<TLanes>.Multiply(rows + row, some, summed, (uint*)weights, (uint*)following, widened, products);
                else
                    SkinnyProduct<TLanes>.Multiply(rows + row, some, summed, weights, following, products);
                for (int j = 0; j < some; j++)
                {
                    nint cell = frame + active[row + j];
                    var gates = new GruCell(
                        products + j * Width, TLanes.Count, direction.CandidateBias + unit, rows[row + j] + unit,
                        direction.Gates + cell * 3 * h + unit, h, direction.Candidates is null ? null : direction.Candidates + cell * h + unit,
                        direction.Hidden + cell * h + unit);
                    Elementwise.Run(gates, Math.Min(TLanes.Count, h - unit));
                }
            }
        }
    }

    private static void GateGradients(
        GruShape shape, int* lengths, ref GruDirection direction, int step, int first, int last, float* dY)
    {
        int h = shape.H, t = direction.Reverse ? step : shape.T - 1 - step;
        nint frame = (nint)t * shape.N, before = frame + (direction.Reverse ? shape.N : -shape.N);
        for (int n = 0; n < shape.N; n++)
        {
            nint cell = frame + n;
            float* gates = direction.Gates + cell * 3 * h, candidates = direction.Candidates + cell * h, carry = direction.Carry + (nint)n * h;
            if (t < lengths[n])
            {
                float* state = step == shape.T - 1 ? direction.Initial + (nint)n * direction.InitialStride : direction.Hidden + (before + n) * h;
                var gradient = new GruCellGradient(state + first, dY + cell * h + first, carry + first, gates + first, h, candidates + first);
                Elementwise.Run(gradient, last - first);
                continue;
            }

            Units(gates, first, last).Clear();
            Units(gates + h, first, last).Clear();
            Units(gates + 2 * h, first, last).Clear();
            Units(candidates, first, last).Clear();
            Units(carry, first, last).Clear();
        }
    }

    private static void StateGradients(
        GruShape shape, int* lengths, ref GruDirection direction, int step, int first, int last, float** rows, int* active, float* products)
    {
        int h = shape.H, t = direction.Reverse ? step : shape.T - 1 - step, count = 0;
        for (int n = 0; n < shape.N; n++)
            if (t < lengths[n])
            {
                rows[count] = direction.Gates + ((nint)t * shape.N + n) * 3 * h;
                active[count++] = n;
            }

        for (int i = first; i < last; i++)
        {
            int panel = Panel(step, i, first, last), next = Panel(step, Math.Min(i + 1, last - 1), first, last), unit = panel * Width;
            for (int row = 0; row < count; row += MaxRows)
            {
                int some = Math.Min(MaxRows, count - row);
                SkinnyProduct<TLanes>.Multiply(
                    rows + row, some, 3 * h, direction.Panels + (nint)panel * Width * 3 * h, direction.Panels + (nint)next * Width * 3 * h, products);
                for (int j = 0; j < some; j++)
                    Elementwise.Run(new Accumulate(products + j * Width, direction.Carry + (nint)active[row + j] * h + unit), Math.Min(Width, h - unit));
            }
        }
    }
}
