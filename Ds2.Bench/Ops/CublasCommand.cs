using System.CommandLine;
using System.Diagnostics;
using System.Text.Json;
using Ds2.Kernels.Engines;
using Ds2.Kernels.Engines.Ilgpu;
using Ds2.Kernels.Ops;
using Ds2.Runtime;
using ILGPU.Runtime.Cuda;

namespace Ds2.Bench.Ops;

/// <summary><c>cublas</c>: our Gemm beside NVIDIA's on one GPU, alternating, at the shapes that DeepBench times for DeepSpeech2 and at the model's own.</summary>
internal static class CublasCommand
{
    private const int Repeats = 9;
    private const double SecondsOfARepeat = 0.02;

    // Products are of the order of 0.03, so that one too many or too few moves a sum by that; rounding of 24000 of them in two orders, by less than 1e-3.
    private const float WrongResult = 5e-3f;

    private static readonly JsonSerializerOptions Json = new() { PropertyNamingPolicy = JsonNamingPolicy.CamelCase };

    /// <summary>DeepBench's products for DeepSpeech2 (the weight first, as column-major libraries have it), turned to our row-major X Wᵀ; then the mlperf model's.</summary>
    private static readonly GemmShape[] Shapes =
    [
        .. new[] { 8, 16, 32, 64, 128 }.SelectMany(batch => new GemmShape[] { new(batch, 7680, 2560, TransposeB: true), new(batch, 2560, 7680) }),
        new(7000, 2560, 2560, TransposeB: true), new(7000, 2560, 2560), new(2560, 2560, 7000, TransposeA: true),
        new(24000, 7680, 2560, TransposeB: true), new(24000, 2560, 7680), new(7680, 2560, 24000, TransposeA: true),
        new(4840, 7680, 2560, TransposeB: true), new(4840, 2560, 7680), new(7680, 2560, 4840, TransposeA: true),
        new(4840, 7680, 672, TransposeB: true),
    ];

    public static Command Create()
    {
        var json = new Option<bool>("--json") { Description = "one JSON object" };
        var command = new Command("cublas", "Our Gemm beside cuBLAS on a CUDA GPU (needs libcublas 10, 11 or 12).") { json };
        command.SetAction(parsed => Run(parsed.GetValue(json)));
        return command;
    }

    private static void Run(bool asJson)
    {
        using IlgpuEngine engine = OnCuda();
        using CuBlas blas = LoadCublas(engine);
        blas.Stream = (CudaStream)engine.Stream;
        blas.MathMode = CuBlasMathMode.DefaultMath; // fp32 all through: TF32 would have to be asked for.
        var rows = new List<Row>();
        if (!asJson)
        {
            Console.WriteLine($"{engine.Name}, cuBLAS {blas.Version}");
            Console.WriteLine($"{"M",6} {"N",6} {"K",6}  {"op",-3} {"ds2 ms",9} {"cublas ms",10} {"ds2 TF/s",9} {"cublas",7} {"ratio",6} {"difference",11}");
        }

        foreach (GemmShape shape in Shapes)
        {
            Row row = Measure(engine, blas, shape);
            rows.Add(row);
            if (!asJson)
            {
                Console.WriteLine(
                    $"{row.M,6} {row.N,6} {row.K,6}  {row.Op,-3} {row.Milliseconds,9:F4} {row.CublasMilliseconds,10:F4} {row.TeraflopsPerSecond,9:F2} "
                    + $"{row.CublasTeraflopsPerSecond,7:F2} {row.Ratio,6:F2} {row.LargestDifference,11:E1}");
            }
        }

        if (asJson)
            Console.WriteLine(JsonSerializer.Serialize(new { device = engine.Name, cublas = blas.Version.ToString(), gemm = rows }, Json));
    }

    private static IlgpuEngine OnCuda()
    {
        try
        {
            return IlgpuEngine.Cuda();
        }
        catch (DeviceUnavailableException exception)
        {
            throw new InputException($"cublas: {exception.Message}");
        }
    }

    private static CuBlas LoadCublas(IlgpuEngine engine)
    {
        try
        {
            return new CuBlas((CudaAccelerator)engine.Accelerator);
        }
        catch (Exception exception) when (exception is DllNotFoundException or NotSupportedException or TypeInitializationException)
        {
            throw new InputException("cublas: no libcublas.so.10, 11 or 12 on the library path that loads and starts", exception);
        }
    }

    private static Row Measure(IlgpuEngine engine, CuBlas blas, GemmShape shape)
    {
        using Tensor a = engine.Random(shape.A, 1), b = engine.Random(shape.B, 0.1f), ours = engine.Allocate(shape.C), theirs = engine.Allocate(shape.C);
        Gemm gemm = Gemm.On(engine);
        Action[] products =
        [
            () => gemm.Multiply(shape, a, b, ours),
            // Column-major, our row-major matrices are their transposes: Cᵀ = op(B)ᵀ op(A)ᵀ.
            () => blas.Gemm(
                shape.TransposeB ? CuBlasOperation.Transpose : CuBlasOperation.NonTranspose,
                shape.TransposeA ? CuBlasOperation.Transpose : CuBlasOperation.NonTranspose,
                shape.N, shape.M, shape.K, 1f, b.View(), shape.B[1], a.View(), shape.A[1], 0f, theirs.View(), shape.N),
        ];
        foreach (Action product in products)
            product(); // compiles, loads
        float difference = LargestDifference(ours.ToArray(), theirs.ToArray());
        if (!(difference <= WrongResult))
            throw new InvalidOperationException($"{shape.M} x {shape.N} x {shape.K}: differs from cuBLAS by {difference}");

        int calls = Math.Max(1, (int)(SecondsOfARepeat / Seconds(engine, products[0], 1)));
        double[][] seconds = [new double[Repeats], new double[Repeats]];
        for (int repeat = 0; repeat < Repeats; repeat++)
        {
            for (int k = 0; k < products.Length; k++)
                seconds[k][repeat] = Seconds(engine, products[k], calls);
        }

        double[] medians = [.. seconds.Select(times => times.Order().ElementAt(Repeats / 2))];
        return new Row(
            shape.M, shape.N, shape.K, $"{(shape.TransposeA ? 'T' : 'N')}{(shape.TransposeB ? 'T' : 'N')}", medians[0] * 1e3, medians[1] * 1e3,
            shape.Flops / medians[0] / 1e12, shape.Flops / medians[1] / 1e12, medians[0] / medians[1], difference);
    }

    /// <summary>Seconds of one of several calls queued behind one another.</summary>
    private static double Seconds(IlgpuEngine engine, Action product, int calls)
    {
        engine.Synchronize();
        long start = Stopwatch.GetTimestamp();
        for (int call = 0; call < calls; call++)
            product();
        engine.Synchronize();
        return Stopwatch.GetElapsedTime(start).TotalSeconds / calls;
    }

    private static float LargestDifference(float[] left, float[] right)
    {
        float largest = 0;
        for (int i = 0; i < left.Length; i++)
        {
            float difference = MathF.Abs(left[i] - right[i]);
            if (!(difference <= largest)) // keeps NaN
                largest = difference;
        }

        return largest;
    }

    private sealed record Row(
        int M, int N, int K, string Op, double Milliseconds, double CublasMilliseconds, double TeraflopsPerSecond, double CublasTeraflopsPerSecond,
        double Ratio, float LargestDifference);
}
