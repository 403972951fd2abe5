# The target machine's image: CUDA's runtime, .NET, libsndfile, and Open MPI with ssh for several machines (docs/cluster.md).
# ILGPU needs the driver alone, which the NVIDIA container toolkit brings in.
#
#   docker build --build-arg COMMIT=$(git rev-parse HEAD) -t ds2 .
#   docker run --rm --gpus all -v $PWD/LibriSpeech_dataset:/data/LibriSpeech_dataset -v $PWD/runs:/data/runs ds2 run_and_time.sh 1 23.0

FROM mcr.microsoft.com/dotnet/sdk:10.0 AS build
WORKDIR /src
COPY . .
# Without .git in the image the commit, which every run notes, comes from outside.
ARG COMMIT=unknown
RUN dotnet publish Ds2.Train -c Release -o /opt/ds2 -p:SourceRevisionId=$COMMIT

# CUDA 12: the last that knows the P100 (sm_60).
FROM nvidia/cuda:12.6.3-base-ubuntu24.04
RUN apt-get update \
    && apt-get install -y --no-install-recommends ca-certificates libsndfile1 libssl3t64 libstdc++6 tzdata \
        openmpi-bin openssh-client openssh-server \
    && rm -rf /var/lib/apt/lists/*
# mpirun enters the other containers by ssh, with keys that the MPI Operator mounts: read-only, and with an owner and a mode that sshd would not take. The containers are new each
# time, so nobody knows their host keys; those that the package has made would be the same in every container, and secret in none: a container that runs sshd makes its own.
RUN mkdir -p /run/sshd \
    && rm -f /etc/ssh/ssh_host_* \
    && printf 'Host *\n    StrictHostKeyChecking no\n    UserKnownHostsFile /dev/null\n    LogLevel ERROR\n' >/etc/ssh/ssh_config.d/ds2.conf \
    && printf 'StrictModes no\nPasswordAuthentication no\n' >/etc/ssh/sshd_config.d/ds2.conf
COPY --from=mcr.microsoft.com/dotnet/runtime:10.0 /usr/share/dotnet /usr/share/dotnet
RUN ln -s /usr/share/dotnet/dotnet /usr/bin/dotnet
COPY --from=build /opt/ds2 /opt/ds2
COPY data-scripts /opt/data-scripts
ENV DS2="dotnet /opt/ds2/Ds2.Train.dll" \
    PATH="/opt/data-scripts:$PATH" \
    NVIDIA_VISIBLE_DEVICES=all \
    NVIDIA_DRIVER_CAPABILITIES=compute,utility \
    OMPI_ALLOW_RUN_AS_ROOT=1 \
    OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1
WORKDIR /data
CMD ["bash", "-c", "$DS2 devices"]
