using System.Runtime.InteropServices;
using System.Text;

namespace Ds2.Runtime.Distributed;

/// <summary>An MPI library in this process: the functions that are called, and its values of what the standard's C interface leaves to each library.</summary>
/// <remarks>
/// A handle is a pointer in Open MPI and an int in MPICH. Both are passed as a pointer here: the C conventions of 64-bit Linux take an int from the lower half of a register or
/// of a place on the stack, and what a library writes into the lower half of a zeroed pointer reads as the int on little-endian machines.
/// </remarks>
internal sealed unsafe class MpiLibrary
{
    /// <summary>MPI_THREAD_MULTIPLE and MPI_THREAD_SERIALIZED, the same in both.</summary>
    public const int ThreadMultiple = 3, ThreadSerialized = 2;

    // MPICH's MPIX_GPU_SUPPORT_CUDA.
    private const int CudaSupport = 0;

    // MPI_MAX_LIBRARY_VERSION_STRING, MPI_MAX_PROCESSOR_NAME, MPI_MAX_ERROR_STRING: the larger of both, or more.
    private const int TextBytes = 8192;

    private readonly nint library;
    private readonly delegate* unmanaged<int, byte*, int*, int> errorString;
    private readonly delegate* unmanaged<byte*, int*, int> getProcessorName;

    private MpiLibrary(nint library, MpiKind kind)
    {
        (this.library, Kind) = (library, kind);
        InitThread = (delegate* unmanaged<int*, byte***, int, int*, int>)Export("MPI_Init_thread");
        Finish = (delegate* unmanaged<int>)Export("MPI_Finalize");
        Abort = (delegate* unmanaged<nint, int, int>)Export("MPI_Abort");
        SetErrorHandler = (delegate* unmanaged<nint, nint, int>)Export("MPI_Comm_set_errhandler");
        CommRank = (delegate* unmanaged<nint, int*, int>)Export("MPI_Comm_rank");
        CommSize = (delegate* unmanaged<nint, int*, int>)Export("MPI_Comm_size");
        CommSplitType = (delegate* unmanaged<nint, int, int, nint, nint*, int>)Export("MPI_Comm_split_type");
        CommFree = (delegate* unmanaged<nint*, int>)Export("MPI_Comm_free");
        Isend = (delegate* unmanaged<void*, int, nint, int, int, nint, nint*, int>)Export("MPI_Isend");
        Irecv = (delegate* unmanaged<void*, int, nint, int, int, nint, nint*, int>)Export("MPI_Irecv");
        Iallgatherv = (delegate* unmanaged<void*, int, nint, void*, int*, int*, nint, nint, nint*, int>)Export("MPI_Iallgatherv");
        Ibcast = (delegate* unmanaged<void*, int, nint, int, nint, nint*, int>)Export("MPI_Ibcast");
        Ibarrier = (delegate* unmanaged<nint, nint*, int>)Export("MPI_Ibarrier");
        Test = (delegate* unmanaged<nint*, int*, void*, int>)Export("MPI_Test");
        Allreduce = (delegate* unmanaged<void*, void*, int, nint, nint, nint, int>)Export("MPI_Allreduce");
        errorString = (delegate* unmanaged<int, byte*, int*, int>)Export("MPI_Error_string");
        getProcessorName = (delegate* unmanaged<byte*, int*, int>)Export("MPI_Get_processor_name");
        if (kind == MpiKind.OpenMpi)
        {
            World = Export("ompi_mpi_comm_world");
            Float = Export("ompi_mpi_float");
            Byte = Export("ompi_mpi_byte");
            Sum = Export("ompi_mpi_op_sum");
            NoInfo = Export("ompi_mpi_info_null");
            ErrorsReturn = Export("ompi_mpi_errors_return");
            InPlace = (void*)1;
            IgnoreStatus = null;
            Shared = 0;
        }
        else
        {
            World = 0x44000000;
            Float = 0x4c00040a;
            Byte = 0x4c00010d;
            Sum = 0x58000003;
            NoInfo = 0x1c000000;
            ErrorsReturn = 0x54000001;
            InPlace = (void*)-1;
            IgnoreStatus = (void*)1;
            Shared = 1;
        }

        nint Export(string name) => NativeLibrary.GetExport(library, name);
    }

    public MpiKind Kind { get; }

    /// <summary>MPI_COMM_WORLD.</summary>
    public nint World { get; }

    /// <summary>MPI_FLOAT.</summary>
    public nint Float { get; }

    /// <summary>MPI_BYTE.</summary>
    public nint Byte { get; }

    /// <summary>MPI_SUM.</summary>
    public nint Sum { get; }

    /// <summary>MPI_INFO_NULL.</summary>
    public nint NoInfo { get; }

    /// <summary>MPI_ERRORS_RETURN.</summary>
    public nint ErrorsReturn { get; }

    /// <summary>MPI_IN_PLACE.</summary>
    public void* InPlace { get; }

    /// <summary>MPI_STATUS_IGNORE.</summary>
    public void* IgnoreStatus { get; }

    /// <summary>MPI_COMM_TYPE_SHARED.</summary>
    public int Shared { get; }

    public delegate* unmanaged<int*, byte***, int, int*, int> InitThread { get; }

    public delegate* unmanaged<int> Finish { get; }

    public delegate* unmanaged<nint, int, int> Abort { get; }

    public delegate* unmanaged<nint, nint, int> SetErrorHandler { get; }

    public delegate* unmanaged<nint, int*, int> CommRank { get; }

    public delegate* unmanaged<nint, int*, int> CommSize { get; }

    public delegate* unmanaged<nint, int, int, nint, nint*, int> CommSplitType { get; }

    public delegate* unmanaged<nint*, int> CommFree { get; }

    public delegate* unmanaged<void*, int, nint, int, int, nint, nint*, int> Isend { get; }

    public delegate* unmanaged<void*, int, nint, int, int, nint, nint*, int> Irecv { get; }

    public delegate* unmanaged<void*, int, nint, void*, int*, int*, nint, nint, nint*, int> Iallgatherv { get; }

    public delegate* unmanaged<void*, int, nint, int, nint, nint*, int> Ibcast { get; }

    public delegate* unmanaged<nint, nint*, int> Ibarrier { get; }

    public delegate* unmanaged<nint*, int*, void*, int> Test { get; }

    public delegate* unmanaged<void*, void*, int, nint, nint, nint, int> Allreduce { get; }

    /// <summary>What the library says about an error.</summary>
    public string ErrorText(int error)
    {
        byte* text = stackalloc byte[TextBytes];
        int length = 0;
        return errorString(error, text, &length) == 0 ? Encoding.UTF8.GetString(text, length).ReplaceLineEndings(" ").Trim() : $"error {error}";
    }

    /// <summary>MPI_Get_processor_name.</summary>
    public string ProcessorName()
    {
        byte* text = stackalloc byte[TextBytes];
        int length = 0;
        return getProcessorName(text, &length) == 0 ? Encoding.UTF8.GetString(text, length) : Environment.MachineName;
    }

    /// <summary>Whether the library says that it takes device pointers of CUDA. It must have been started.</summary>
    /// <remarks>Open MPI and MPICH have the first function, some of MPICH's family the second alone; what has neither has no such support.</remarks>
    public bool IsCudaAware()
    {
        if (NativeLibrary.TryGetExport(library, "MPIX_Query_cuda_support", out nint query))
            return ((delegate* unmanaged<int>)query)() != 0;
        int supported = 0;
        return NativeLibrary.TryGetExport(library, "MPIX_GPU_query_support", out nint ofGpu)
            && ((delegate* unmanaged<int, int*, int>)ofGpu)(CudaSupport, &supported) == 0 && supported != 0;
    }

    /// <summary>Loads a library, without starting it.</summary>
    /// <param name="file">A path, or a name that the system's loader looks for.</param>
    /// <param name="wanted">The family it must be of; null for either.</param>
    /// <returns>The library; null where there is none, or one of another family, which is not kept.</returns>
    /// <exception cref="InputException">The file is no MPI library, or a named path cannot be loaded.</exception>
    public static MpiLibrary? TryLoad(string file, MpiKind? wanted)
    {
        if (!NativeLibrary.TryLoad(file, out nint library))
            return null;
        MpiKind kind;
        if (NativeLibrary.TryGetExport(library, "ompi_mpi_comm_world", out _))
        {
            kind = MpiKind.OpenMpi;
        }
        else if (NativeLibrary.TryGetExport(library, "MPI_Get_library_version", out nint export) && IsMpich((delegate* unmanaged<byte*, int*, int>)export))
        {
            kind = MpiKind.Mpich;
        }
        else
        {
            NativeLibrary.Free(library);
            throw new InputException($"{file}: is neither Open MPI's library nor MPICH's");
        }

        if (kind != (wanted ?? kind))
        {
            NativeLibrary.Free(library);
            return null;
        }

        try
        {
            return new MpiLibrary(library, kind);
        }
        catch (EntryPointNotFoundException exception)
        {
            NativeLibrary.Free(library);
            throw new InputException($"{file}: lacks a function of MPI's: {exception.Message.ReplaceLineEndings(" ")}", exception);
        }
    }

    private static bool IsMpich(delegate* unmanaged<byte*, int*, int> getLibraryVersion)
    {
        byte* text = stackalloc byte[TextBytes];
        int length = 0;
        if (getLibraryVersion(text, &length) != 0)
            return false;
        string version = Encoding.UTF8.GetString(text, length);
        return version.Contains("MPICH", StringComparison.OrdinalIgnoreCase) || version.StartsWith("MVAPICH", StringComparison.Ordinal)
            || version.StartsWith("Intel(R) MPI", StringComparison.Ordinal);
    }
}
