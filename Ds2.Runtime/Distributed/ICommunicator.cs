using System.Diagnostics.CodeAnalysis;

namespace Ds2.Runtime.Distributed;

/// <summary>The processes that train one model together, called ranks, as one of them sees them, and what they send each other.</summary>
/// <remarks>
/// <para>Every call but <see cref="Abort"/> and <see cref="GiveUp"/> is collective: all ranks make the same calls in the same order, each waits until its own part is done (of a transfer, in <see cref="ITransfer.Wait"/>), and sizes fit each other.
/// A rank makes one call at a time, from whichever thread.</para>
/// <para>Memory belongs to the caller, and is the callee's for the length of the call or transfer only: what is sent is not changed, and must not be by other threads meanwhile.</para>
/// <para>A <see cref="DistributedException"/> says that a call has failed, or that the others did not come within the time limit. Nothing is defined afterwards, not even what
/// the call's memory holds: the job is over, and whoever catches the exception says so and calls <see cref="Abort"/>.</para>
/// <para><see cref="IDisposable.Dispose"/> is collective too: the regular end, of all ranks. A rank that fails while others go on calls <see cref="Abort"/> instead.</para>
/// </remarks>
public interface ICommunicator : IDisposable
{
    /// <summary>The number of this process, from 0.</summary>
    int Rank { get; }

    /// <summary>How many processes there are.</summary>
    int Ranks { get; }

    /// <summary>The number of this process among those on the same machine, from 0: it picks a device.</summary>
    int LocalRank { get; }

    /// <summary>The name of this process's machine.</summary>
    string Host { get; }

    /// <summary>Whether something computes while calls wait: they then leave the cores to it, and may notice a little later that they are done. May be set from any thread, also while another waits in a call.</summary>
    bool IsPatient { get; set; }

    /// <summary>Whether the memory of a transfer may be a device's (<see cref="IExchangeMemory"/>), but for what a rank sends itself. The thread that begins transfers must have the device.</summary>
    bool TakesDeviceMemory { get; }

    /// <summary>Begins to send each rank a stretch of its own, and to receive one from each. Several may be under way at once: they fit each other in the order in which they are begun.</summary>
    /// <param name="send">What is sent. Until the transfer's end it must stay as it is.</param>
    /// <param name="sent">The stretch of it that each rank gets, this one among them, by rank.</param>
    /// <param name="receive">Stretches of it are overwritten with what is received, by the transfer's end. It may be the memory of <paramref name="send"/>, where no stretches of both overlap.</param>
    /// <param name="received">The stretch that each rank fills, by rank; as long as what that rank sends here.</param>
    /// <exception cref="ArgumentException">Stretches are not as many as ranks, one does not lie in its memory, or this rank sends itself less or more than it receives.</exception>
    /// <exception cref="DistributedException">See the remarks on the interface.</exception>
    ITransfer StartAllToAll(ReadOnlyMemory<float> send, ReadOnlySpan<Stretch> sent, Memory<float> receive, ReadOnlySpan<Stretch> received);

    /// <summary>Gives every rank the messages of all, of any length each; together they fit into an array.</summary>
    /// <param name="message">This rank's.</param>
    /// <returns>All messages, by rank; they belong to the caller.</returns>
    /// <exception cref="DistributedException">See the remarks on the interface.</exception>
    byte[][] AllGather(ReadOnlySpan<byte> message);

    /// <summary>Gives every rank the message of one.</summary>
    /// <param name="message">What is sent, on the rank that sends; anything on the others, such as null.</param>
    /// <param name="root">The rank that sends.</param>
    /// <returns>The message: on the rank that sends the same array, elsewhere a new one.</returns>
    /// <exception cref="ArgumentNullException">The rank that sends has no message.</exception>
    /// <exception cref="ArgumentOutOfRangeException">There is no such rank.</exception>
    /// <exception cref="DistributedException">See the remarks on the interface.</exception>
    byte[] Broadcast(byte[]? message, int root);

    /// <summary>Returns when all ranks have called it.</summary>
    /// <exception cref="DistributedException">See the remarks on the interface.</exception>
    void Barrier();

    /// <summary>Has the call that waits, and all after it, fail: for whoever is about to give memory back that a call still uses. May be called from any thread; <see cref="Abort"/> comes next.</summary>
    void GiveUp();

    /// <summary>Ends the job on all ranks, at once and without their doing: this process too, which runs nothing more. May be called from any thread, also while another waits in a call.</summary>
    /// <param name="exitCode">What the launcher returns, in general.</param>
    [DoesNotReturn]
    void Abort(int exitCode);
}
