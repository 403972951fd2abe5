using BenchmarkDotNet.Columns;
using BenchmarkDotNet.Configs;
using BenchmarkDotNet.Exporters;
using BenchmarkDotNet.Jobs;
using BenchmarkDotNet.Loggers;
using BenchmarkDotNet.Reports;
using BenchmarkDotNet.Running;
using BenchmarkDotNet.Toolchains.InProcess.Emit;

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
        AddExporter(MarkdownExporter.GitHub);
    }

    /// <summary>Work done over the median time: GFLOP/s for products, GB/s for what only moves data.</summary>
    private sealed class RateColumn : IColumn
    {
        public string Id => "Rate";

        public string ColumnName => "Rate";

        public bool AlwaysShow => true;

        public ColumnCategory Category => ColumnCategory.Custom;

        public int PriorityInCategory => 0;

        public bool IsNumeric => true;

        public UnitType UnitType => UnitType.Dimensionless;

        public string Legend => "operations (GFLOP/s) or least bytes moved (GB/s) over the median time";

        public string GetValue(Summary summary, BenchmarkCase benchmarkCase)
        {
            var op = (OpBenchmark)Activator.CreateInstance(benchmarkCase.Descriptor.Type)!;
            op.Model = (ModelSize)benchmarkCase.Parameters[nameof(OpBenchmark.Model)];
            double? nanoseconds = summary[benchmarkCase]?.ResultStatistics?.Median;
            return nanoseconds is null ? "" : $"{op.Work(benchmarkCase.Descriptor.WorkloadMethod.Name) / nanoseconds:F1} {op.Unit}";
        }

        public string GetValue(Summary summary, BenchmarkCase benchmarkCase, SummaryStyle style) => GetValue(summary, benchmarkCase);

        public bool IsDefault(Summary summary, BenchmarkCase benchmarkCase) => false;

        public bool IsAvailable(Summary summary) => true;
    }
}
