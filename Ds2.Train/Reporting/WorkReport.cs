using System.Globalization;
using Ds2.Runtime;
using Spectre.Console;

namespace Ds2.Train.Reporting;

/// <summary>Shows long work on stderr: bars on a terminal, a plain line now and then in a log.</summary>
internal static class WorkReport
{
    /// <summary>Runs work and shows how it goes on.</summary>
    public static T Run<T>(Func<IWorkProgress, T> work)
    {
        if (Console.IsErrorRedirected)
        {
            using var lines = new WorkLines(Console.Error, TimeSpan.FromSeconds(10));
            return work(lines);
        }

        IAnsiConsole console = AnsiConsole.Create(new AnsiConsoleSettings { Out = new AnsiConsoleOutput(Console.Error) });
        return console.Progress().AutoClear(false).HideCompleted(false)
            .Columns(new TaskDescriptionColumn { Alignment = Justify.Left }, new ProgressBarColumn(), new PercentageColumn(), new RateColumn(), new RemainingTimeColumn())
            .Start(context => work(new Bars(console, context)));
    }

    /// <summary>The same for work that is mostly over before anything need be said: on a terminal one line, gone at the end; in a log nothing of what takes less than half a second.</summary>
    public static T RunBriefly<T>(Func<IWorkProgress, T> work)
    {
        using var lines = new WorkLines(Console.Error, TimeSpan.FromSeconds(Console.IsErrorRedirected ? 10 : 0.2), inPlace: !Console.IsErrorRedirected, brief: true);
        return work(lines);
    }

    /// <summary>An amount, or an amount a second.</summary>
    public static string Amount(double amount, WorkUnit unit) => unit == WorkUnit.Items
        ? amount.ToString("N0", CultureInfo.InvariantCulture)
        : amount switch
        {
            >= 1e9 => string.Create(CultureInfo.InvariantCulture, $"{amount / 1e9:F2} GB"),
            >= 1e6 => string.Create(CultureInfo.InvariantCulture, $"{amount / 1e6:F1} MB"),
            _ => string.Create(CultureInfo.InvariantCulture, $"{amount / 1e3:F1} kB"),
        };

    private sealed class Bars(IAnsiConsole console, ProgressContext context) : IWorkProgress
    {
        public IWorkItem Begin(string what, long? total, WorkUnit unit)
        {
            ProgressTask task = context.AddTask(Markup.Escape(what), maxValue: total ?? 1);
            task.IsIndeterminate = total is null;
            task.State.Update<WorkUnit>(RateColumn.Unit, _ => unit);
            return new Bar(task);
        }

        public void Note(string line) => console.WriteLine(line);
    }

    private sealed class Bar(ProgressTask task) : IWorkItem
    {
        public void Advance(long amount, bool worked = true)
        {
            if (amount >= 0)
                task.Increment(amount);
            else
                task.Value += amount;
        }

        public void Dispose() => task.StopTask();
    }

    /// <summary>How much is done, and how fast it goes.</summary>
    private sealed class RateColumn : ProgressColumn
    {
        public const string Unit = "unit";

        public override Spectre.Console.Rendering.IRenderable Render(Spectre.Console.Rendering.RenderOptions options, ProgressTask task, TimeSpan deltaTime)
        {
            WorkUnit unit = task.State.Get<WorkUnit>(Unit);
            string done = Amount(task.Value, unit);
            return new Text(task.Speed is { } speed ? $"{done}  {Amount(speed, unit)}/s" : done).RightJustified();
        }
    }
}
