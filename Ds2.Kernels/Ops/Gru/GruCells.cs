using System.Runtime.CompilerServices;
using Ds2.Kernels.Engines.Host;

namespace Ds2.Kernels.Ops;

/// <summary>One row's gates and new state, given its products with U.</summary>
/// <param name="products">U_r h, U_z h and U_n h, each <paramref name="gateStep"/> elements on.</param>
/// <param name="gateStep">Elements from one gate's products to the next's.</param>
/// <param name="candidateBias">c_n.</param>
/// <param name="before">The state before.</param>
/// <param name="gates">The projections of r, z, n with their biases, h apart; overwritten by the gates if <paramref name="candidates"/> are kept as well.</param>
/// <param name="h">Hidden units.</param>
/// <param name="candidates">U_n h + c_n; overwritten. Null where no backward pass follows.</param>
/// <param name="hidden">The new state; overwritten.</param>
internal readonly unsafe struct GruCell(
    float* products, int gateStep, float* candidateBias, float* before, float* gates, int h, float* candidates, float* hidden) : IElementwise
{
    /// <inheritdoc/>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public void Apply<TLanes>(int index)
        where TLanes : unmanaged, ILanes<TLanes>
    {
        float* product = products + index, gate = gates + index;
        TLanes r = VectorMath.Sigmoid(TLanes.Load(gate) + TLanes.Load(product));
        TLanes z = VectorMath.Sigmoid(TLanes.Load(gate + h) + TLanes.Load(product + gateStep));
        TLanes candidate = TLanes.Load(product + 2 * gateStep) + TLanes.Load(candidateBias + index);
        TLanes n = VectorMath.Tanh(TLanes.MultiplyAdd(r, candidate, TLanes.Load(gate + 2 * h)));
        if (candidates is not null)
        {
            r.Store(gate);
            z.Store(gate + h);
            n.Store(gate + 2 * h);
            candidate.Store(candidates + index);
        }

        // (1 - z) n + z h
        TLanes.MultiplyAdd(z, TLanes.Load(before + index) - n, n).Store(hidden + index);
    }
}

/// <summary>One row's gradients before its nonlinearities, given its gates and the gradient of its state.</summary>
/// <param name="before">The state before.</param>
/// <param name="dY">The gradient from above.</param>
/// <param name="carry">The gradient from later frames; becomes the part that passes z on to the state before.</param>
/// <param name="gates">r, z, n, h apart; overwritten by the gradients at r's and z's sums and at U_n h + c_n.</param>
/// <param name="h">Hidden units.</param>
/// <param name="candidates">U_n h + c_n; overwritten by the gradient at n's sum.</param>
internal readonly unsafe struct GruCellGradient(float* before, float* dY, float* carry, float* gates, int h, float* candidates) : IElementwise
{
    /// <inheritdoc/>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public void Apply<TLanes>(int index)
        where TLanes : unmanaged, ILanes<TLanes>
    {
        float* gate = gates + index;
        TLanes one = TLanes.All(1f);
        TLanes r = TLanes.Load(gate), z = TLanes.Load(gate + h), n = TLanes.Load(gate + 2 * h);
        TLanes d = TLanes.Load(dY + index) + TLanes.Load(carry + index);
        TLanes dN = d * (one - z) * (one - n * n);
        TLanes dZ = d * (TLanes.Load(before + index) - n) * z * (one - z);
        TLanes dR = dN * TLanes.Load(candidates + index) * r * (one - r);
        dR.Store(gate);
        dZ.Store(gate + h);
        (dN * r).Store(gate + 2 * h);
        dN.Store(candidates + index);
        (d * z).Store(carry + index);
    }
}
