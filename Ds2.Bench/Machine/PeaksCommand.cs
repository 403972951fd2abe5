using System.CommandLine;
using Ds2.Bench.Ops;
using Ds2.Kernels.Engines.Host;
using Ds2.Kernels.Ops;
using Ds2.Runtime;

namespace Ds2.Bench.Machine;

/// <summary><c>peaks</c>: what this machine's cores and memory can do, and how much of it the full model's matrix products come to.</summary>
/// <remarks>
/// A shared machine is not as fast in one minute as in the next: peaks and products are measured in turns, each as a mean over half a second, and each product is
/// held against the peak of its own turn.
/// </remarks>
internal static class PeaksCommand
{
    private const double SecondsOfATurn = 0.5;

    public static Command Create()
    {
        var rounds = new Option<int>("--rounds") { Description = "turns of each", DefaultValueFactory = _ => 7 };
        var threads = new Option<int>("--threads") { Description = "threads; 0 for one per core" };
        var command = new Command("peaks", "The machine's peaks, and what the full model's products reach of them.") { rounds, threads };
        command.SetAction(parsed =>
        {
            int turns = parsed.GetValue(rounds);
            Run(turns >= 1 ? turns : throw new InputException($"{rounds.Name} {turns}: must be at least 1"), parsed.GetValue(threads));
        });
        return command;
    }

    private static void Run(int rounds, int threads)
    {
        using var engine = new HostEngine(threads);
        Product[] products =
        [
            Product.Large(new GemmShape(2280, 7680, 2560, TransposeB: true)),
            Product.Large(new GemmShape(2280, 2560, 7680)),
            Product.Large(new GemmShape(7680, 2560, 2280, TransposeA: true)),
            Product.Streaming(new GemmShape(8, 7680, 2560, TransposeB: true)),
        ];
        Console.WriteLine(engine.Name);
        List<string[]> rows = [["product", "a second", "of the peak", "best turn", "peak, median"]];
        foreach (Product product in products)
        {
            using Tensor a = engine.Random(product.Shape.A, 1), b = engine.Random(product.Shape.B, 0.1f), c = engine.Allocate(product.Shape.C);
            Gemm gemm = Gemm.On(engine);
            gemm.Multiply(product.Shape, a, b, c);
            if (!c.ToArray().All(float.IsFinite))
                throw new InvalidOperationException($"{product.Name}: a result is not finite");
            List<double> rates = [], peaks = [], shares = [];
            for (int round = 0; round < rounds; round++)
            {
                MachinePeaks machine = MachinePeaks.Mean(threads, SecondsOfATurn);
                peaks.Add(product.OfReading ? machine.ReadBytes : machine.Flops);
                rates.Add(product.Work / Timing.Mean(() => gemm.Multiply(product.Shape, a, b, c), SecondsOfATurn));
                shares.Add(rates[^1] / peaks[^1]);
            }

            string unit = product.OfReading ? "GB/s" : "GFLOP/s";
            rows.Add([product.Name, $"{rates.Median() / 1e9:F1} {unit}", $"{shares.Median():P0}", $"{shares.Max():P0}", $"{peaks.Median() / 1e9:F1} {unit}"]);
        }

        Console.WriteLine(MarkdownTable.Of(rows));
    }

    private sealed record Product(GemmShape Shape, double Work, bool OfReading)
    {
        public string Name => $"{(Shape.TransposeA ? 'T' : 'N')}{(Shape.TransposeB ? 'T' : 'N')} {Shape.M} x {Shape.N} x {Shape.K}";

        /// <summary>Bound by arithmetic: work in operations.</summary>
        public static Product Large(GemmShape shape) => new(shape, 2.0 * shape.M * shape.N * shape.K, OfReading: false);

        /// <summary>Bound by reading B: work in bytes.</summary>
        public static Product Streaming(GemmShape shape) => new(shape, sizeof(float) * (double)shape.B.Length, OfReading: true);
    }
}
