using Ds2.Runtime;

namespace Ds2.Bench.Step;

/// <summary>Times whole training steps on random input.</summary>
internal static class StepMeasurement
{
    /// <summary>Medians over the timed steps.</summary>
    /// <param name="options">The step.</param>
    /// <param name="engine">Where it runs.</param>
    /// <param name="warmupSteps">Untimed steps before.</param>
    /// <exception cref="InputException">No text of so many labels fits into the frames.</exception>
    /// <exception cref="InvalidOperationException">A gradient norm is not finite.</exception>
    public static StepResult Measure(StepOptions options, IEngine engine, int warmupSteps = 2)
    {
        using var trainingStep = new TrainingStep(options, engine);
        var times = new List<double[]>();
        long allocated = 0;
        for (int step = 1; step <= warmupSteps + options.Steps; step++)
        {
            long before = GC.GetTotalAllocatedBytes(precise: true);
            var clock = new PhaseClock(engine);
            trainingStep.Run(step, clock.Lap);
            double norm = trainingStep.LastGradientNorm;
            if (norm == 0)
                throw new InputException($"--labels {options.Labels}: no text of so many fits into --frames {options.Frames}, and there would be no gradient");
            if (!double.IsFinite(norm))
                throw new InvalidOperationException($"the gradient norm of step {step} is {norm}: nothing worth timing");
            if (step <= warmupSteps)
                continue;
            times.Add(clock.Laps);
            allocated += GC.GetTotalAllocatedBytes(precise: true) - before;
        }

        return StepResult.From(times, trainingStep.Model.Parameters.Count, options.AudioSeconds, allocated / options.Steps);
    }
}
