using BenchmarkDotNet.Columns;
using BenchmarkDotNet.Configs;
using BenchmarkDotNet.Exporters;
using BenchmarkDotNet.Jobs;
using BenchmarkDotNet.Loggers;
using BenchmarkDotNet.Reports;
using BenchmarkDotNet.Running;
using BenchmarkDotNet.Toolchains.InProcess.Emit;
using Ds2.Bench.Machine;
using Ds2.Kernels.Engines;

namespace Ds2.Bench.Ops;

/// <summary>How the ops are timed: few long iterations, in this process, with a column for the rate.</summary>
/// <remarks>In this process, because the project that BenchmarkDotNet would generate does not see the repository's build settings, and because ours are
/// optimised in every configuration.</remarks>
internal sealed class OpConfig : ManualConfig
{
    public OpConfig()
    {
        AddJob(Job.Default.WithToolchain(InProcessEmitToolchain.Instance).WithWarmupCount(2).WithIterationCount(7));
        AddLogger(ConsoleLogger.Default);
        AddColumnProvider(DefaultColumnProviders.Instance);
        AddColumn(new RateColumn());
        if (OpBenchmark.Device.Kind == DeviceKind.Host)
            AddColumn(new PeakColumn());
        AddExporter(MarkdownExporter.GitHub);
    }

    /// <summary>A column that a benchmark's own figures are made of.</summary>
    private abstract class OpColumn(string name, string legend) : IColumn
    {
        public string Id => name;

        public string ColumnName => name;

        public bool AlwaysShow => true;

        public ColumnCategory Category => ColumnCategory.Custom;

        public int PriorityInCategory => 0;

        public bool IsNumeric => true;

        public UnitType UnitType => UnitType.Dimensionless;

        public string Legend => legend;

        public string GetValue(Summary summary, BenchmarkCase benchmarkCase)
        {
            var op = (OpBenchmark)Activator.CreateInstance(benchmarkCase.Descriptor.Type)!;
            op.Model = (ModelSize)benchmarkCase.Parameters[nameof(OpBenchmark.Model)];
            string method = benchmarkCase.Descriptor.WorkloadMethod.Name;
            double? nanoseconds = summary[benchmarkCase]?.ResultStatistics?.Median;
            return nanoseconds is null ? "" : Text(op.Work(method) / nanoseconds.Value, op.BoundOf(method));
        }

        public string GetValue(Summary summary, BenchmarkCase benchmarkCase, SummaryStyle style) => GetValue(summary, benchmarkCase);

        public bool IsDefault(Summary summary, BenchmarkCase benchmarkCase) => false;

        public bool IsAvailable(Summary summary) => true;

        /// <summary>The cell, from the work done in a nanosecond.</summary>
        protected abstract string Text(double rate, Bound bound);
    }

    /// <summary>Work done over the median time: GFLOP/s for products, GB/s for what only moves data.</summary>
    private sealed class RateColumn() : OpColumn("Rate", "operations (GFLOP/s) or least bytes moved (GB/s) over the median time")
    {
        protected override string Text(double rate, Bound bound) => $"{rate:F1} {(bound == Bound.Arithmetic ? "GFLOP/s" : "GB/s")}";
    }

    /// <summary>The rate as a share of what this machine can do: a loop of fused multiply-adds, a copy loop, or a loop that reads.</summary>
    private sealed class PeakColumn() : OpColumn("Of peak", "the rate over this machine's: fused multiply-adds in registers, or copying or reading more than the caches hold")
    {
        private static readonly Lazy<MachinePeaks> Peaks = new(() =>
        {
            MachinePeaks peaks = MachinePeaks.Measure();
            ConsoleLogger.Default.WriteLineInfo($"// measured peaks of this machine: {peaks}");
            return peaks;
        });

        protected override string Text(double rate, Bound bound)
        {
            double peak = bound switch
            {
                Bound.Arithmetic => Peaks.Value.Flops,
                Bound.Copying => Peaks.Value.CopiedBytes,
                _ => Peaks.Value.ReadBytes,
            };
            return $"{100 * rate * 1e9 / peak:F0} %";
        }
    }
}
