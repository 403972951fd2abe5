using Ds2.Kernels.Engines;
using Ds2.Runtime;
using Ds2.Runtime.Data;
using Ds2.Runtime.Distributed;
using Ds2.Runtime.Training;
using Ds2.Train.Commands;

namespace Ds2.Train;

/// <summary>What the program says, and ends with, where something is wrong.</summary>
internal static class Failure
{
    /// <summary>Anything but bad input: the program's own fault, the machine's, a loss that is no number.</summary>
    public const int Failed = 1;

    /// <summary>Bad usage or input.</summary>
    public const int BadInput = 2;

    /// <summary>A signal ended it.</summary>
    public const int Interrupted = 130;

    /// <summary>Says in a line what is wrong; of a fault of the program the trace too, for whoever mends it.</summary>
    /// <param name="exception">What was thrown.</param>
    /// <param name="who">Which of several processes says it; empty for one.</param>
    /// <returns>The exit code.</returns>
    public static int Report(Exception exception, string who = "")
    {
        // Of what several threads have met, the first.
        while (exception is AggregateException { InnerException: { } first })
            exception = first;
        switch (exception)
        {
            case CorpusFaultsException faults:
                CorpusFaultReport.Refuse(faults);
                return BadInput;
            case InputException or IOException or UnauthorizedAccessException:
                return Say(exception.Message, BadInput);
            case OperationCanceledException:
                return Say("interrupted", Interrupted);
            case OutOfMemoryException or HttpRequestException or DivergenceException or DistributedException or DeviceFaultException:
                return Say(exception.Message, Failed);
            default:
                Console.Error.WriteLine($"ds2: {who}{exception}");
                return Failed;
        }

        int Say(string message, int code)
        {
            Console.Error.WriteLine($"ds2: {who}{message.ReplaceLineEndings(" ")}");
            return code;
        }
    }
}
