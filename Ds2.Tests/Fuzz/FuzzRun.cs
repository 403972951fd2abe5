using System.Diagnostics;
using Ds2.Runtime;
using Ds2.Runtime.Data;

namespace Ds2.Tests.Fuzz;

/// <summary>Feeds damaged files to a reader and holds it to three promises: an <see cref="InputException"/> of one line or success, within a time, within memory.</summary>
/// <remarks>DS2_FUZZ_CASES says how many cases there are; case n of a reader is the same in every run, and DS2_FUZZ_FIRST starts with another than 0.</remarks>
internal static class FuzzRun
{
    private const int CasesInTheSuite = 400;
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(20);

    /// <summary>What any reader may allocate, whatever the size of the file: buffers, decoders' tables, messages.</summary>
    private const long BaseBytes = 24L << 20;

    private const long BytesPerByte = 200;

    private static int Cases => FromEnvironment("DS2_FUZZ_CASES", CasesInTheSuite);

    private static int First => FromEnvironment("DS2_FUZZ_FIRST", 0);

    /// <param name="path">The file to write each case to; its ending may decide how it is read.</param>
    /// <param name="wholes">Files that the reader takes; each must be read without a complaint.</param>
    /// <param name="read">The reader; it works on the thread that calls it.</param>
    public static void Run(string path, IReadOnlyList<byte[]> wholes, Action<string> read)
    {
        foreach (byte[] whole in wholes)
        {
            File.WriteAllBytes(path, whole);
            read(path);
        }

        Exception? fault = null;
        int current = First;
        long started = Stopwatch.GetTimestamp();
        int refused = 0;
        var worker = new Thread(() =>
        {
            for (; current < First + Cases && fault is null; current++)
            {
                byte[] damaged = Case(wholes, current);
                File.WriteAllBytes(path, damaged);
                Interlocked.Exchange(ref started, Stopwatch.GetTimestamp());
                fault = Try(path, damaged.Length, read, ref refused);
                if (fault is not null)
                    break;
            }
        })
        { IsBackground = true };
        worker.Start();
        while (!worker.Join(TimeSpan.FromMilliseconds(100)))
        {
            if (Stopwatch.GetElapsedTime(Interlocked.Read(ref started)) > Patience)
                Assert.Fail($"{Describe(wholes, current)}: not done after {Patience.TotalSeconds} s");
        }

        if (fault is not null)
            Assert.Fail($"{Describe(wholes, current)}: {fault}");
        Assert.That(refused, Is.GreaterThan(Cases / 10), "damages that nothing notices test nothing");
        TestContext.Out.WriteLine($"{Cases} cases, {refused} refused");
    }

    /// <summary>Null if the reader kept its promises.</summary>
    private static Exception? Try(string path, long length, Action<string> read, ref int refused)
    {
        long before = GC.GetAllocatedBytesForCurrentThread();
        try
        {
            read(path);
        }
        catch (Exception refusal) when (refusal is InputException or CorpusFaultsException)
        {
            refused++;
            if (refusal.Message.AsSpan().ContainsAny('\n', '\r') || refusal.Message.Length > 4096)
                return new InvalidOperationException($"a message of more than one line: {refusal.Message}");
        }
        catch (Exception exception)
        {
            return exception;
        }

        long allocated = GC.GetAllocatedBytesForCurrentThread() - before;
        return allocated <= BaseBytes + BytesPerByte * length ? null : new InvalidOperationException($"{allocated} bytes allocated for a file of {length}");
    }

    private static byte[] Case(IReadOnlyList<byte[]> wholes, int number) => Mutator.Damage(wholes[number % wholes.Count], new Random(number));

    private static string Describe(IReadOnlyList<byte[]> wholes, int number)
    {
        byte[] bytes = Case(wholes, number);
        return $"case {number}, {bytes.Length} bytes, base64 {Convert.ToBase64String(bytes.AsSpan(0, Math.Min(bytes.Length, 1500)))}";
    }

    private static int FromEnvironment(string name, int otherwise) => int.TryParse(Environment.GetEnvironmentVariable(name), out int value) ? value : otherwise;
}
