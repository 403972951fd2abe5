using System.Linq.Expressions;
using System.Reflection;
using ILGPU;

namespace Ds2.Kernels.Engines.Ilgpu;

/// <summary>A launch that was recorded instead of done.</summary>
/// <param name="Kernel">The kernel.</param>
/// <param name="Grid">Its groups, and the threads of each.</param>
/// <param name="Arguments">The kernel's arguments, in its parameters' order.</param>
internal sealed record KernelLaunch(MethodInfo Kernel, KernelConfig Grid, IReadOnlyList<object> Arguments)
{
    /// <summary>A launcher of a kernel that tells <paramref name="record"/> and does nothing else.</summary>
    /// <typeparam name="TLauncher">An action of the stream, the launch configuration, and then the kernel's own parameters.</typeparam>
    public static TLauncher Recorder<TLauncher>(MethodInfo kernel, Action<KernelLaunch> record)
        where TLauncher : Delegate
    {
        ParameterExpression[] parameters =
            [.. typeof(TLauncher).GetMethod(nameof(Action.Invoke))!.GetParameters().Select(parameter => Expression.Parameter(parameter.ParameterType))];
        NewExpression launch = Expression.New(
            typeof(KernelLaunch).GetConstructor([typeof(MethodInfo), typeof(KernelConfig), typeof(IReadOnlyList<object>)])!,
            Expression.Constant(kernel, typeof(MethodInfo)),
            parameters[1],
            Expression.NewArrayInit(typeof(object), parameters.Skip(2).Select(argument => Expression.Convert(argument, typeof(object)))));
        return Expression.Lambda<TLauncher>(Expression.Invoke(Expression.Constant(record), launch), parameters).Compile();
    }
}
