namespace Ds2.Bench.Distributed;

/// <summary>What a rank does wrong, so that tests see what becomes of the others.</summary>
internal enum Fault
{
    /// <summary>Nothing.</summary>
    None,

    /// <summary>It ends the job.</summary>
    Abort,

    /// <summary>It does not come to the next exchange.</summary>
    Stall,

    /// <summary>It is killed.</summary>
    Kill,

    /// <summary>It throws, and catches, what .NET makes of a signal: nothing may become of it.</summary>
    NullReference,
}
