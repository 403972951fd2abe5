namespace Ds2.Bench.Step;

/// <summary>Times whole training steps on random input.</summary>
internal static class StepMeasurement
{
    /// <summary>Medians over the timed steps.</summary>
    /// <param name="options">The step.</param>
    /// <param name="engine">Where it runs.</param>
    /// <param name="warmupSteps">Untimed steps before.</param>
    /// <exception cref="InvalidOperationException">A gradient norm is zero or not finite.</exception>
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
            if (!double.IsFinite(norm) || norm == 0)
                throw new InvalidOperationException($"the gradient norm of step {step} is {norm}: nothing worth timing");
            if (step <= warmupSteps)
                continue;
            times.Add(clock.Laps);
            allocated += GC.GetTotalAllocatedBytes(precise: true) - before;
        }

        return StepResult.From(times, trainingStep.Model.Parameters.Count, options.AudioSeconds, allocated / options.Steps);
    }
}
