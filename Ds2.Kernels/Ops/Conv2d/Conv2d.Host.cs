using Ds2.Kernels.Engines.Host;

namespace Ds2.Kernels.Ops;

/// <summary>Chooses the <see cref="HostConv2d{TLanes}"/> of the engine's registers.</summary>
internal static class HostConv2d
{
    /// <summary>The implementation for an engine.</summary>
    public static Conv2d Create(HostEngine engine) => engine.Lanes switch
    {
        16 => new HostConv2d<Lanes512>(engine),
        8 => new HostConv2d<Lanes256>(engine),
        4 => new HostConv2d<Lanes128>(engine),
        _ => new HostConv2d<Lanes1>(engine),
    };
}

/// <summary><see cref="Conv2d"/> on the CPU.</summary>
/// <remarks>Forward and data gradient are <see cref="WindowProduct{TLanes}"/>s, the weight gradient a <see cref="WeightGradient{TLanes}"/>.</remarks>
internal sealed unsafe class HostConv2d<TLanes>(HostEngine engine) : Conv2d(engine)
    where TLanes : unmanaged, ILanes<TLanes>
{
    /// <inheritdoc/>
    public override int ForwardWorkspace(Conv2dShape shape) => Scratch([new(Window.Forward(shape))]);

    /// <inheritdoc/>
    public override int BackwardWorkspace(Conv2dShape shape) =>
        Math.Max(Scratch(DataGradient(shape)), WeightGradientScratch(shape));

    /// <inheritdoc/>
    protected override void ForwardCore(Conv2dShape shape, Tensor x, Tensor weight, Tensor bias, Tensor y, Workspace workspace) =>
        Slide(shape.N, [new(Window.Forward(shape))], x, weight, bias.Pointer(), y, workspace);

    /// <inheritdoc/>
    protected override void BackwardCore(
        Conv2dShape shape, Tensor x, Tensor weight, Tensor dY, Tensor? dX, Tensor dWeight, Tensor dBias, Workspace workspace)
    {
        if (dX is not null && dX.Length > 0)
            Slide(shape.N, DataGradient(shape), dY, weight, null, dX, workspace);

        int required = WeightGradientScratch(shape);
        workspace.Begin(required);
        float* scratch = workspace.Take(new Shape(required)).Pointer();
        if (PairedColumns.Fits(Window.Forward(shape)))
            new PairedWeightGradient<TLanes>(shape, Host.Workers.Threads).Accumulate(Host.Workers, x.Pointer(), dY.Pointer(), dWeight.Pointer(), scratch);
        else
            new WeightGradient<TLanes>(shape, Host.Workers.Threads).Accumulate(Host.Workers, x.Pointer(), dY.Pointer(), dWeight.Pointer(), scratch);
        AccumulateBias(shape, dY.Pointer(), dBias.Pointer());
    }

    private int WeightGradientScratch(Conv2dShape shape) => PairedColumns.Fits(Window.Forward(shape))
        ? new PairedWeightGradient<TLanes>(shape, Host.Workers.Threads).ScratchLength
        : new WeightGradient<TLanes>(shape, Host.Workers.Threads).ScratchLength;

    private static WindowProduct<TLanes>[] DataGradient(Conv2dShape shape)
    {
        var products = new WindowProduct<TLanes>[shape.StrideH * shape.StrideW];
        for (int i = 0; i < products.Length; i++)
            products[i] = new(Window.DataGradient(shape, i / shape.StrideW, i % shape.StrideW));
        return products;
    }

    private int Scratch(WindowProduct<TLanes>[] products) =>
        checked(products.Sum(product => product.WeightLength) + Host.Workers.Threads * products.Max(product => product.StripeLength));

    // All products at once, so that no worker waits between them.
    private void Slide(int images, WindowProduct<TLanes>[] products, Tensor source, Tensor weight, float* bias, Tensor target, Workspace workspace)
    {
        int required = Scratch(products);
        workspace.Begin(required);
        float* scratch = workspace.Take(new Shape(required)).Pointer();
        int stripeLength = products.Max(product => product.StripeLength);
        float* stripes = scratch;
        float* packed = scratch + (nint)Host.Workers.Threads * stripeLength;
        float* weights = weight.Pointer(), from = source.Pointer(), to = target.Pointer();
        nint fromImage = source.Length / images, toImage = target.Length / images;

        int packTasks = products.Max(product => product.PackTasks), imageTasks = products.Max(product => product.ImageTasks);
        Host.Workers.For(products.Length * packTasks, task =>
        {
            (int number, int part) = Math.DivRem(task, packTasks);
            if (part < products[number].PackTasks)
                products[number].Pack(part, weights, Packed(number));
        });
        Host.Workers.For(images * products.Length * imageTasks, (worker, task) =>
        {
            (int image, int rest) = Math.DivRem(task, products.Length * imageTasks);
            (int number, int part) = Math.DivRem(rest, imageTasks);
            if (part < products[number].ImageTasks)
                products[number].Run(part, from + image * fromImage, Packed(number), stripes + (nint)worker * stripeLength, bias, to + image * toImage);
        });

        float* Packed(int number)
        {
            float* at = packed;
            for (int i = 0; i < number; i++)
                at += products[i].WeightLength;
            return at;
        }
    }

    // A channel's planes are summed image by image in order; fp64 keeps hundreds of thousands of terms exact enough.
    private void AccumulateBias(Conv2dShape shape, float* dY, float* dBias)
    {
        nint plane = (nint)shape.OutH * shape.OutW;
        Host.Workers.For(shape.K, channel =>
        {
            double sum = 0;
            for (int image = 0; image < shape.N; image++)
            {
                float* from = dY + ((nint)image * shape.K + channel) * plane;
                for (int row = 0; row < shape.OutH; row++, from += shape.OutW)
                    sum += Sum(from, shape.OutW);
            }

            dBias[channel] += (float)sum;
        });
    }

    private static double Sum(float* values, int count)
    {
        TLanes lanes = default;
        int i = 0;
        for (; i <= count - TLanes.Count; i += TLanes.Count)
            lanes += TLanes.Load(values + i);
        double sum = lanes.Sum();
        for (; i < count; i++)
            sum += values[i];
        return sum;
    }
}
