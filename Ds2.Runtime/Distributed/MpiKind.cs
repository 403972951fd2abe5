namespace Ds2.Runtime.Distributed;

/// <summary>Families of MPI libraries, each with a binary interface of its own.</summary>
internal enum MpiKind
{
    /// <summary>Open MPI 4 and 5.</summary>
    OpenMpi,

    /// <summary>MPICH 4, and what keeps to its binary interface: Intel MPI, MVAPICH, Cray MPICH.</summary>
    Mpich,
}

/// <summary>What users call the families, and where they get them.</summary>
internal static class MpiKinds
{
    /// <summary>The family's name.</summary>
    public static string Name(this MpiKind kind) => kind == MpiKind.OpenMpi ? "Open MPI" : "MPICH";

    /// <summary>Its Debian packages.</summary>
    public static string Packages(this MpiKind kind) => kind == MpiKind.OpenMpi ? "apt install openmpi-bin libopenmpi3" : "apt install mpich libmpich12";

    /// <summary>The files it may have, the likelier first; libmpi.so is of whichever family was installed.</summary>
    public static string[] Files(this MpiKind kind) => kind == MpiKind.OpenMpi ? ["libmpi.so.40", "libmpi.so"] : ["libmpich.so.12", "libmpi.so.12", "libmpi.so"];
}
