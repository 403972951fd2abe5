using System.Text;

namespace Ds2.Train.Reporting;

/// <summary>A console stream whose writes may fail, a log on a full disk or a terminal that is gone: the first failure is told, none ends the work.</summary>
/// <remarks>Each write is tried anew: a disk may have room again. <see cref="Failed"/> is for commands whose output is what they are for.</remarks>
/// <param name="output">The stream.</param>
/// <param name="tell">Told of the first failure.</param>
internal sealed class TolerantWriter(TextWriter output, Action<IOException> tell) : TextWriter
{
    /// <summary>Whether something is missing.</summary>
    public bool Failed { get; private set; }

    public override Encoding Encoding => output.Encoding;

    public override void Write(char value) => Try(() => output.Write(value));

    public override void Write(char[] buffer, int index, int count) => Try(() => output.Write(buffer, index, count));

    public override void Write(ReadOnlySpan<char> buffer) => Write(buffer.ToString());

    public override void Write(string? value) => Try(() => output.Write(value));

    public override void WriteLine() => Try(output.WriteLine);

    public override void WriteLine(string? value) => Try(() => output.WriteLine(value));

    public override void Flush() => Try(output.Flush);

    private void Try(Action write)
    {
        try
        {
            write();
        }
        catch (IOException exception)
        {
            bool first = !Failed;
            Failed = true;
            if (first)
                tell(exception);
        }
    }
}
