namespace Ds2.Kernels.Ops;

/// <summary>The parameters of one direction of a GRU, or their gradients: same names, shapes and gate order (r, z, n) as PyTorch's GRU.</summary>
/// <param name="Input">W, [3H, I]: <c>weight_ih</c>.</param>
/// <param name="Recurrent">U, [3H, H]: <c>weight_hh</c>.</param>
/// <param name="InputBias">b, [3H]: <c>bias_ih</c>.</param>
/// <param name="RecurrentBias">c, [3H]: <c>bias_hh</c>.</param>
public readonly record struct GruWeights(Tensor Input, Tensor Recurrent, Tensor InputBias, Tensor RecurrentBias);
