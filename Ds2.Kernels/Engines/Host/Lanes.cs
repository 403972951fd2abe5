using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;

namespace Ds2.Kernels.Engines.Host;

/// <summary>The fields of an IEEE 754 single.</summary>
internal static class FloatBits
{
    /// <summary>Bits of a number.</summary>
    public const int Length = 32;

    /// <summary>Bits below the exponent.</summary>
    public const int ExponentShift = 23;

    /// <summary>The exponent field of 1.</summary>
    public const int Bias = 127;

    /// <summary>sqrt(1/2): subtracting its bits makes the exponent change there and not at 1/2.</summary>
    public const int RootHalf = 0x3f3504f3;
}

/// <summary>Sixteen numbers: AVX-512.</summary>
internal unsafe struct Lanes512(Vector512<float> value) : ILanes<Lanes512>
{
    private Vector512<float> value = value;

    public static int Count => Vector512<float>.Count;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Lanes512 operator +(Lanes512 a, Lanes512 b) => new(a.value + b.value);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Lanes512 operator -(Lanes512 a, Lanes512 b) => new(a.value - b.value);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Lanes512 operator *(Lanes512 a, Lanes512 b) => new(a.value * b.value);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Lanes512 operator /(Lanes512 a, Lanes512 b) => new(a.value / b.value);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Lanes512 Load(float* source) => new(Vector512.Load(source));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Lanes512 All(float value) => new(Vector512.Create(value));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void AddProduct(ref Lanes512 sum, Lanes512 a, Lanes512 b) => sum.value = Vector512.MultiplyAddEstimate(a.value, b.value, sum.value);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Lanes512 MultiplyAdd(Lanes512 a, Lanes512 b, Lanes512 c) => new(Vector512.MultiplyAddEstimate(a.value, b.value, c.value));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void LoadPairs(float* source, out Lanes512 even, out Lanes512 odd)
    {
        Vector512<ulong> low = Vector512.Load((ulong*)source), high = Vector512.Load((ulong*)source + Vector512<ulong>.Count);
        even = new(Vector512.Narrow(low, high).AsSingle());
        odd = new(Vector512.Narrow(low >> FloatBits.Length, high >> FloatBits.Length).AsSingle());
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void LoadHalves(uint* source, out Lanes512 first, out Lanes512 second)
    {
        Vector512<int> words = Vector512.Load((int*)source), bits = Vector512.Create(HalfPrecision.MovedBits);
        first = new((((words << HalfPrecision.Length) >> HalfPrecision.MovedBy) & bits).AsSingle());
        second = new(((words >> HalfPrecision.MovedBy) & bits).AsSingle());
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void StorePairs(Lanes512 even, Lanes512 odd, float* destination)
    {
        Vector512<uint> first = even.value.AsUInt32(), second = odd.value.AsUInt32();
        (Vector512.WidenLower(first) | (Vector512.WidenLower(second) << FloatBits.Length)).Store((ulong*)destination);
        (Vector512.WidenUpper(first) | (Vector512.WidenUpper(second) << FloatBits.Length)).Store((ulong*)destination + Vector512<ulong>.Count);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Lanes512 Min(Lanes512 a, Lanes512 b) =>
        new(Avx512F.IsSupported ? Avx512F.Min(a.value, b.value) : Vector512.ConditionalSelect(Vector512.LessThan(a.value, b.value), a.value, b.value));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Lanes512 Max(Lanes512 a, Lanes512 b) =>
        new(Avx512F.IsSupported ? Avx512F.Max(a.value, b.value) : Vector512.ConditionalSelect(Vector512.GreaterThan(a.value, b.value), a.value, b.value));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Lanes512 Sqrt(Lanes512 a) => new(Vector512.Sqrt(a.value));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Lanes512 WhereLess(Lanes512 a, Lanes512 b, Lanes512 yes, Lanes512 no) =>
        new(Vector512.ConditionalSelect(Vector512.LessThan(a.value, b.value), yes.value, no.value));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Lanes512 PowerOfTwo(Lanes512 n) =>
        new(((Vector512.ConvertToInt32Native(n.value) + Vector512.Create(FloatBits.Bias)) << FloatBits.ExponentShift).AsSingle());

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Lanes512 Split(Lanes512 number, out Lanes512 significand)
    {
        Vector512<int> offset = number.value.AsInt32() - Vector512.Create(FloatBits.RootHalf);
        Vector512<int> exponent = offset >> FloatBits.ExponentShift;
        significand = new((number.value.AsInt32() - (exponent << FloatBits.ExponentShift)).AsSingle());
        return new(Vector512.ConvertToSingle(exponent));
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public float Sum() => new Lanes256(value.GetLower() + value.GetUpper()).Sum();

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public float Max() => Lanes256.Max(new(value.GetLower()), new(value.GetUpper())).Max();

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public void Store(float* destination) => value.Store(destination);
}

/// <summary>Eight numbers: AVX2.</summary>
internal unsafe struct Lanes256(Vector256<float> value) : ILanes<Lanes256>
{
    private Vector256<float> value = value;

    public static int Count => Vector256<float>.Count;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Lanes256 operator +(Lanes256 a, Lanes256 b) => new(a.value + b.value);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Lanes256 operator -(Lanes256 a, Lanes256 b) => new(a.value - b.value);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Lanes256 operator *(Lanes256 a, Lanes256 b) => new(a.value * b.value);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Lanes256 operator /(Lanes256 a, Lanes256 b) => new(a.value / b.value);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Lanes256 Load(float* source) => new(Vector256.Load(source));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Lanes256 All(float value) => new(Vector256.Create(value));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void AddProduct(ref Lanes256 sum, Lanes256 a, Lanes256 b) => sum.value = Vector256.MultiplyAddEstimate(a.value, b.value, sum.value);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Lanes256 MultiplyAdd(Lanes256 a, Lanes256 b, Lanes256 c) => new(Vector256.MultiplyAddEstimate(a.value, b.value, c.value));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void LoadPairs(float* source, out Lanes256 even, out Lanes256 odd)
    {
        Vector256<ulong> low = Vector256.Load((ulong*)source), high = Vector256.Load((ulong*)source + Vector256<ulong>.Count);
        even = new(Vector256.Narrow(low, high).AsSingle());
        odd = new(Vector256.Narrow(low >> FloatBits.Length, high >> FloatBits.Length).AsSingle());
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void LoadHalves(uint* source, out Lanes256 first, out Lanes256 second)
    {
        Vector256<int> words = Vector256.Load((int*)source), bits = Vector256.Create(HalfPrecision.MovedBits);
        first = new((((words << HalfPrecision.Length) >> HalfPrecision.MovedBy) & bits).AsSingle());
        second = new(((words >> HalfPrecision.MovedBy) & bits).AsSingle());
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void StorePairs(Lanes256 even, Lanes256 odd, float* destination)
    {
        Vector256<uint> first = even.value.AsUInt32(), second = odd.value.AsUInt32();
        (Vector256.WidenLower(first) | (Vector256.WidenLower(second) << FloatBits.Length)).Store((ulong*)destination);
        (Vector256.WidenUpper(first) | (Vector256.WidenUpper(second) << FloatBits.Length)).Store((ulong*)destination + Vector256<ulong>.Count);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Lanes256 Min(Lanes256 a, Lanes256 b) =>
        new(Avx.IsSupported ? Avx.Min(a.value, b.value) : Vector256.ConditionalSelect(Vector256.LessThan(a.value, b.value), a.value, b.value));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Lanes256 Max(Lanes256 a, Lanes256 b) =>
        new(Avx.IsSupported ? Avx.Max(a.value, b.value) : Vector256.ConditionalSelect(Vector256.GreaterThan(a.value, b.value), a.value, b.value));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Lanes256 Sqrt(Lanes256 a) => new(Vector256.Sqrt(a.value));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Lanes256 WhereLess(Lanes256 a, Lanes256 b, Lanes256 yes, Lanes256 no) =>
        new(Vector256.ConditionalSelect(Vector256.LessThan(a.value, b.value), yes.value, no.value));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Lanes256 PowerOfTwo(Lanes256 n) =>
        new(((Vector256.ConvertToInt32Native(n.value) + Vector256.Create(FloatBits.Bias)) << FloatBits.ExponentShift).AsSingle());

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Lanes256 Split(Lanes256 number, out Lanes256 significand)
    {
        Vector256<int> offset = number.value.AsInt32() - Vector256.Create(FloatBits.RootHalf);
        Vector256<int> exponent = offset >> FloatBits.ExponentShift;
        significand = new((number.value.AsInt32() - (exponent << FloatBits.ExponentShift)).AsSingle());
        return new(Vector256.ConvertToSingle(exponent));
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public float Sum() => new Lanes128(value.GetLower() + value.GetUpper()).Sum();

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public float Max() => Lanes128.Max(new(value.GetLower()), new(value.GetUpper())).Max();

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public void Store(float* destination) => value.Store(destination);
}

/// <summary>Four numbers: SSE, NEON.</summary>
internal unsafe struct Lanes128(Vector128<float> value) : ILanes<Lanes128>
{
    private Vector128<float> value = value;

    public static int Count => Vector128<float>.Count;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Lanes128 operator +(Lanes128 a, Lanes128 b) => new(a.value + b.value);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Lanes128 operator -(Lanes128 a, Lanes128 b) => new(a.value - b.value);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Lanes128 operator *(Lanes128 a, Lanes128 b) => new(a.value * b.value);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Lanes128 operator /(Lanes128 a, Lanes128 b) => new(a.value / b.value);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Lanes128 Load(float* source) => new(Vector128.Load(source));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Lanes128 All(float value) => new(Vector128.Create(value));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void AddProduct(ref Lanes128 sum, Lanes128 a, Lanes128 b) => sum.value = Vector128.MultiplyAddEstimate(a.value, b.value, sum.value);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Lanes128 MultiplyAdd(Lanes128 a, Lanes128 b, Lanes128 c) => new(Vector128.MultiplyAddEstimate(a.value, b.value, c.value));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void LoadPairs(float* source, out Lanes128 even, out Lanes128 odd)
    {
        Vector128<ulong> low = Vector128.Load((ulong*)source), high = Vector128.Load((ulong*)source + Vector128<ulong>.Count);
        even = new(Vector128.Narrow(low, high).AsSingle());
        odd = new(Vector128.Narrow(low >> FloatBits.Length, high >> FloatBits.Length).AsSingle());
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void LoadHalves(uint* source, out Lanes128 first, out Lanes128 second)
    {
        Vector128<int> words = Vector128.Load((int*)source), bits = Vector128.Create(HalfPrecision.MovedBits);
        first = new((((words << HalfPrecision.Length) >> HalfPrecision.MovedBy) & bits).AsSingle());
        second = new(((words >> HalfPrecision.MovedBy) & bits).AsSingle());
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void StorePairs(Lanes128 even, Lanes128 odd, float* destination)
    {
        Vector128<uint> first = even.value.AsUInt32(), second = odd.value.AsUInt32();
        (Vector128.WidenLower(first) | (Vector128.WidenLower(second) << FloatBits.Length)).Store((ulong*)destination);
        (Vector128.WidenUpper(first) | (Vector128.WidenUpper(second) << FloatBits.Length)).Store((ulong*)destination + Vector128<ulong>.Count);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Lanes128 Min(Lanes128 a, Lanes128 b) =>
        new(Sse.IsSupported ? Sse.Min(a.value, b.value) : Vector128.ConditionalSelect(Vector128.LessThan(a.value, b.value), a.value, b.value));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Lanes128 Max(Lanes128 a, Lanes128 b) =>
        new(Sse.IsSupported ? Sse.Max(a.value, b.value) : Vector128.ConditionalSelect(Vector128.GreaterThan(a.value, b.value), a.value, b.value));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Lanes128 Sqrt(Lanes128 a) => new(Vector128.Sqrt(a.value));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Lanes128 WhereLess(Lanes128 a, Lanes128 b, Lanes128 yes, Lanes128 no) =>
        new(Vector128.ConditionalSelect(Vector128.LessThan(a.value, b.value), yes.value, no.value));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Lanes128 PowerOfTwo(Lanes128 n) =>
        new(((Vector128.ConvertToInt32Native(n.value) + Vector128.Create(FloatBits.Bias)) << FloatBits.ExponentShift).AsSingle());

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Lanes128 Split(Lanes128 number, out Lanes128 significand)
    {
        Vector128<int> offset = number.value.AsInt32() - Vector128.Create(FloatBits.RootHalf);
        Vector128<int> exponent = offset >> FloatBits.ExponentShift;
        significand = new((number.value.AsInt32() - (exponent << FloatBits.ExponentShift)).AsSingle());
        return new(Vector128.ConvertToSingle(exponent));
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public float Sum() => Vector128.Sum(value);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public float Max()
    {
        Lanes128 pairs = Max(this, new(Vector128.Shuffle(value, Vector128.Create(2, 3, 0, 1))));
        return Max(pairs, new(Vector128.Shuffle(pairs.value, Vector128.Create(1, 0, 3, 2)))).value.ToScalar();
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public void Store(float* destination) => value.Store(destination);
}

/// <summary>One number: tails, and machines without vector instructions.</summary>
internal unsafe struct Lanes1(float value) : ILanes<Lanes1>
{
    private float value = value;

    public static int Count => 1;

    public static Lanes1 operator +(Lanes1 a, Lanes1 b) => new(a.value + b.value);

    public static Lanes1 operator -(Lanes1 a, Lanes1 b) => new(a.value - b.value);

    public static Lanes1 operator *(Lanes1 a, Lanes1 b) => new(a.value * b.value);

    public static Lanes1 operator /(Lanes1 a, Lanes1 b) => new(a.value / b.value);

    public static Lanes1 Load(float* source) => new(*source);

    public static Lanes1 All(float value) => new(value);

    public static void AddProduct(ref Lanes1 sum, Lanes1 a, Lanes1 b) => sum.value = float.MultiplyAddEstimate(a.value, b.value, sum.value);

    public static Lanes1 MultiplyAdd(Lanes1 a, Lanes1 b, Lanes1 c) => new(float.MultiplyAddEstimate(a.value, b.value, c.value));

    public static void LoadPairs(float* source, out Lanes1 even, out Lanes1 odd) => (even, odd) = (new(source[0]), new(source[1]));

    public static void LoadHalves(uint* source, out Lanes1 first, out Lanes1 second)
    {
        int word = (int)*source;
        first = new(BitConverter.Int32BitsToSingle(((word << HalfPrecision.Length) >> HalfPrecision.MovedBy) & HalfPrecision.MovedBits));
        second = new(BitConverter.Int32BitsToSingle((word >> HalfPrecision.MovedBy) & HalfPrecision.MovedBits));
    }

    public static void StorePairs(Lanes1 even, Lanes1 odd, float* destination) => (destination[0], destination[1]) = (even.value, odd.value);

    public static Lanes1 Min(Lanes1 a, Lanes1 b) => a.value < b.value ? a : b;

    public static Lanes1 Max(Lanes1 a, Lanes1 b) => a.value > b.value ? a : b;

    public static Lanes1 Sqrt(Lanes1 a) => new(MathF.Sqrt(a.value));

    public static Lanes1 WhereLess(Lanes1 a, Lanes1 b, Lanes1 yes, Lanes1 no) => a.value < b.value ? yes : no;

    public static Lanes1 PowerOfTwo(Lanes1 n) => new(BitConverter.Int32BitsToSingle(((int)n.value + FloatBits.Bias) << FloatBits.ExponentShift));

    public static Lanes1 Split(Lanes1 number, out Lanes1 significand)
    {
        int bits = BitConverter.SingleToInt32Bits(number.value);
        int exponent = (bits - FloatBits.RootHalf) >> FloatBits.ExponentShift;
        significand = new(BitConverter.Int32BitsToSingle(bits - (exponent << FloatBits.ExponentShift)));
        return new(exponent);
    }

    public float Sum() => value;

    public float Max() => value;

    public void Store(float* destination) => *destination = value;
}
