namespace Ds2.Runtime.Distributed;

/// <summary>What started this process together with others, as its environment tells.</summary>
/// <param name="Variable">The variable that tells.</param>
/// <param name="Kind">The library's family that the launcher belongs to; null where it serves both, as Slurm's does.</param>
/// <param name="Ranks">How many processes it started; null where that is not told.</param>
internal sealed record Launcher(string Variable, MpiKind? Kind, int? Ranks)
{
    /// <summary>The files to look for, those that fit first: PMIx is Open MPI's way of meeting its launcher, PMI was MPICH's.</summary>
    public IEnumerable<(string File, MpiKind Kind)> Files
    {
        get
        {
            MpiKind[] kinds = Kind is { } kind ? [kind] : Variable.StartsWith("PMIX", StringComparison.Ordinal) ? [MpiKind.OpenMpi, MpiKind.Mpich] : [MpiKind.Mpich, MpiKind.OpenMpi];
            return kinds.SelectMany(each => each.Files().Select(file => (file, each)));
        }
    }

    /// <summary>The launcher of this process; null where it was started alone.</summary>
    /// <param name="environment">The value of a variable, null where it is not set.</param>
    public static Launcher? Find(Func<string, string?> environment)
    {
        // mpiexec of MPICH says how many there are on the node, also within Slurm; srun itself serves both families.
        MpiKind? ofPmi = environment("SLURM_JOB_ID") is null || environment("MPI_LOCALNRANKS") is not null ? MpiKind.Mpich : null;
        return Of("OMPI_COMM_WORLD_SIZE", MpiKind.OpenMpi, "OMPI_COMM_WORLD_SIZE") ?? Of("PMI_SIZE", ofPmi, "PMI_SIZE")
            ?? Of("PMIX_RANK", null, "SLURM_STEP_NUM_TASKS") ?? Of("PMI_RANK", null, "SLURM_STEP_NUM_TASKS");

        Launcher? Of(string variable, MpiKind? kind, string size) =>
            string.IsNullOrEmpty(environment(variable)) ? null : new Launcher(variable, kind, int.TryParse(environment(size), out int ranks) ? ranks : null);
    }

    /// <summary>Refuses to be alone where Slurm has started several processes with nothing to find each other by: each would train for itself.</summary>
    /// <param name="environment">The value of a variable, null where it is not set.</param>
    /// <exception cref="InputException">That is so.</exception>
    public static void RequireNoOthers(Func<string, string?> environment)
    {
        if (int.TryParse(environment("SLURM_STEP_NUM_TASKS"), out int tasks) && tasks > 1)
            throw new InputException($"srun has started {tasks} processes that cannot find each other: srun --mpi=pmix (srun --mpi=list tells what there is), or --mpi none for one that is to be alone");
    }
}
