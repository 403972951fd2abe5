using System.CommandLine;
using System.Globalization;
using Ds2.Bench.Machine;
using Ds2.Runtime;

namespace Ds2.Tests.Bench;

/// <summary>What memory sustains, on the host.</summary>
[NonParallelizable]
public sealed class BandwidthTests
{
    [Test]
    public void EveryTransfer_IsRightAndHasARate()
    {
        TextWriter stdout = Console.Out;
        using var output = new StringWriter(CultureInfo.InvariantCulture);
        int code;
        try
        {
            Console.SetOut(output);
            code = BandwidthCommand.Create().Parse(["--device", "host", "--megabytes", "1"]).Invoke();
        }
        finally
        {
            Console.SetOut(stdout);
        }

        string[] transfers = [.. output.ToString().Split('\n').Where(line => line.StartsWith("host to", StringComparison.Ordinal) || line.StartsWith("device", StringComparison.Ordinal))];
        Assert.Multiple(() =>
        {
            Assert.That(code, Is.Zero, output.ToString());
            Assert.That(transfers, Has.Length.EqualTo(5));
            Assert.That(transfers.Select(line => double.Parse(line[46..].Split(' ', StringSplitOptions.RemoveEmptyEntries)[0], CultureInfo.InvariantCulture)), Is.All.Positive);
        });
    }

    [Test]
    public void Size_OutOfRange_IsTheUsersMistake() => Assert.That(
        () => BandwidthCommand.Create().Parse(["--device", "host", "--megabytes", "0"]).Invoke(new InvocationConfiguration { EnableDefaultExceptionHandler = false }),
        Throws.TypeOf<InputException>().With.Message.EqualTo("--megabytes 0: must be between 1 and 2000"));
}
