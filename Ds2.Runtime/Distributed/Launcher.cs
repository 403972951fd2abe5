namespace Ds2.Runtime.Distributed;

/// <summary>What started this process together with others, as its environment tells.</summary>
/// <param name="Variable">The variable that tells.</param>
/// <param name="Kind">The library's family that the launcher belongs to; null where it serves both, as Slurm's does.</param>
/// <param name="Ranks">How many processes it started; null where that is not told.</param>
internal sealed record Launcher(string Variable, MpiKind? Kind, int? Ranks)
{
    /// <summary>The files to look for, those that fit first.</summary>
    public IEnumerable<(string File, MpiKind Kind)> Files =>
        (Kind is { } kind ? [kind] : new[] { MpiKind.OpenMpi, MpiKind.Mpich }).SelectMany(each => each.Files().Select(file => (file, each)));

    /// <summary>The launcher of this process; null where it was started alone.</summary>
    /// <param name="environment">The value of a variable, null where it is not set.</param>
    public static Launcher? Find(Func<string, string?> environment)
    {
        // mpirun of Open MPI 4 and 5; mpiexec of MPICH, and what speaks its protocol; Slurm's and other launchers of PMIx.
        return Of("OMPI_COMM_WORLD_SIZE", MpiKind.OpenMpi, "OMPI_COMM_WORLD_SIZE") ?? Of("PMI_SIZE", environment("SLURM_JOB_ID") is null ? MpiKind.Mpich : null, "PMI_SIZE")
            ?? Of("PMIX_RANK", null, "SLURM_STEP_NUM_TASKS") ?? Of("PMI_RANK", null, "SLURM_STEP_NUM_TASKS");

        Launcher? Of(string variable, MpiKind? kind, string size) =>
            string.IsNullOrEmpty(environment(variable)) ? null : new Launcher(variable, kind, int.TryParse(environment(size), out int ranks) ? ranks : null);
    }
}
