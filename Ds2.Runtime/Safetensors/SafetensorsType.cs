namespace Ds2.Runtime.Safetensors;

/// <summary>The element types of safetensors that Ds2 reads and writes; the names are the format's.</summary>
public enum SafetensorsType
{
    /// <summary>32-bit float.</summary>
    F32,

    /// <summary>64-bit signed integer.</summary>
    I64,

    /// <summary>32-bit signed integer.</summary>
    I32,

    /// <summary>Byte.</summary>
    U8,
}

/// <summary>What each element type is in memory.</summary>
internal static class SafetensorsTypes
{
    /// <summary>Bytes an element.</summary>
    public static int Size(this SafetensorsType type) => type switch
    {
        SafetensorsType.I64 => sizeof(long),
        SafetensorsType.F32 or SafetensorsType.I32 => sizeof(int),
        SafetensorsType.U8 => sizeof(byte),
        _ => throw new ArgumentOutOfRangeException(nameof(type)),
    };

    /// <summary>The file's type for a C# element type.</summary>
    /// <exception cref="NotSupportedException">There is none.</exception>
    public static SafetensorsType Of<T>()
        where T : unmanaged =>
        typeof(T) == typeof(float) ? SafetensorsType.F32
        : typeof(T) == typeof(long) ? SafetensorsType.I64
        : typeof(T) == typeof(int) ? SafetensorsType.I32
        : typeof(T) == typeof(byte) ? SafetensorsType.U8
        : throw new NotSupportedException($"safetensors files hold no {typeof(T).Name}");
}
