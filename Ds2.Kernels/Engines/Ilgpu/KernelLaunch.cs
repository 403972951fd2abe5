using System.Linq.Expressions;
using System.Reflection;
using ILGPU;
using ILGPU.Runtime;

namespace Ds2.Kernels.Engines.Ilgpu;

/// <summary>A kernel's launch: what a recording engine is told instead of doing it, and a timed one after it.</summary>
/// <param name="Kernel">The kernel.</param>
/// <param name="Grid">Its groups, and the threads of each.</param>
/// <param name="Arguments">The kernel's arguments, in its parameters' order.</param>
internal sealed record KernelLaunch(MethodInfo Kernel, KernelConfig Grid, IReadOnlyList<object> Arguments)
{
    /// <summary>The most groups of a CUDA grid along y, and along z. (Along x there may be as many as an <see cref="int"/> counts.)</summary>
    public const int MostDeep = 65535;

    /// <summary>A launcher of a kernel that looks at the grid, then does as <paramref name="launch"/>.</summary>
    /// <remarks>Every launch of every engine passes here, the emulated one's too: what runs there must not fail on a GPU.</remarks>
    /// <typeparam name="TLauncher">An action of the stream, the launch configuration, and then the kernel's own parameters.</typeparam>
    public static TLauncher Checked<TLauncher>(MethodInfo kernel, TLauncher launch)
        where TLauncher : Delegate =>
        Launcher<TLauncher>(kernel, parameters => Expression.Invoke(Expression.Constant(launch), parameters));

    /// <summary>As <see cref="Checked"/>, and while <paramref name="clock"/> is on, with its events around the launch.</summary>
    /// <typeparam name="TLauncher">An action of the stream, the launch configuration, and then the kernel's own parameters.</typeparam>
    public static TLauncher Timed<TLauncher>(MethodInfo kernel, TLauncher launch, KernelClock clock)
        where TLauncher : Delegate =>
        Launcher<TLauncher>(kernel, parameters =>
        {
            Expression untimed = Expression.Invoke(Expression.Constant(launch), parameters), itself = Expression.Constant(clock);
            ParameterExpression before = Expression.Variable(typeof(ProfilingMarker));
            return Expression.IfThenElse(
                Expression.Property(itself, nameof(KernelClock.IsOn)),
                Expression.Block(
                    [before],
                    Expression.Assign(before, Expression.Call(typeof(KernelClock), nameof(KernelClock.Mark), null, parameters[0])),
                    untimed,
                    Expression.Call(itself, nameof(KernelClock.Add), null, parameters[0], before, Described(kernel, parameters))),
                untimed);
        });

    /// <summary>A launcher of a kernel that looks at the grid, tells <paramref name="record"/>, and does nothing else.</summary>
    /// <typeparam name="TLauncher">An action of the stream, the launch configuration, and then the kernel's own parameters.</typeparam>
    public static TLauncher Recorder<TLauncher>(MethodInfo kernel, Action<KernelLaunch> record)
        where TLauncher : Delegate =>
        Launcher<TLauncher>(kernel, parameters => Expression.Invoke(Expression.Constant(record), Described(kernel, parameters)));

    private static NewExpression Described(MethodInfo kernel, ParameterExpression[] parameters) => Expression.New(
        typeof(KernelLaunch).GetConstructor([typeof(MethodInfo), typeof(KernelConfig), typeof(IReadOnlyList<object>)])!,
        Expression.Constant(kernel, typeof(MethodInfo)),
        parameters[1],
        Expression.NewArrayInit(typeof(object), parameters.Skip(2).Select(argument => Expression.Convert(argument, typeof(object)))));

    private static TLauncher Launcher<TLauncher>(MethodInfo kernel, Func<ParameterExpression[], Expression> launch)
        where TLauncher : Delegate
    {
        ParameterExpression[] parameters =
            [.. typeof(TLauncher).GetMethod(nameof(Action.Invoke))!.GetParameters().Select(parameter => Expression.Parameter(parameter.ParameterType))];
        Action<KernelConfig> check = grid => CheckGrid(kernel, grid);
        return Expression.Lambda<TLauncher>(
            Expression.Block(Expression.Invoke(Expression.Constant(check), parameters[1]), launch(parameters)), parameters).Compile();
    }

    /// <summary>Refuses a grid that CUDA would refuse.</summary>
    /// <exception cref="ArgumentException">No groups, or too many along y or z.</exception>
    public static void CheckGrid(MethodInfo kernel, KernelConfig config)
    {
        Index3D grid = config.GridDim;
        if (grid.X < 1 || (uint)(grid.Y - 1) >= MostDeep || (uint)(grid.Z - 1) >= MostDeep)
            throw new ArgumentException(
                $"{kernel.DeclaringType!.Name}.{kernel.Name} cannot run on a grid of {grid.X} x {grid.Y} x {grid.Z} groups: CUDA has 1 to {int.MaxValue}, {MostDeep} and {MostDeep}");
    }
}
