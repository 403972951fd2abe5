using System.Runtime.CompilerServices;

namespace Ds2.Kernels.Engines.Host;

/// <summary>The number of rows of a tile as a type: the JIT compiles a kernel for each and drops the rows it lacks.</summary>
internal interface IRows
{
    /// <summary>The number.</summary>
    static abstract int Count { get; }
}

/// <summary>Calls a micro-kernel with a row count that is known at run time only.</summary>
internal static unsafe class MicroKernel
{
    /// <summary>One tile of 1 to <see cref="IMicroKernel.Rows"/> rows, with C written directly.</summary>
    public static void Multiply<TKernel, TLeft>(
        int rows, int k, float* a, nint lda, float* b, nint ldb, float* c, nint ldc, float beta, float* bias)
        where TKernel : struct, IMicroKernel
        where TLeft : struct, ILeftLayout
    {
        switch (rows)
        {
            case 1:
                TKernel.Multiply<One, TLeft>(k, a, lda, b, ldb, c, ldc, beta, bias);
                break;
            case 2:
                TKernel.Multiply<Two, TLeft>(k, a, lda, b, ldb, c, ldc, beta, bias);
                break;
            case 3:
                TKernel.Multiply<Three, TLeft>(k, a, lda, b, ldb, c, ldc, beta, bias);
                break;
            case 4:
                TKernel.Multiply<Four, TLeft>(k, a, lda, b, ldb, c, ldc, beta, bias);
                break;
            case 5:
                TKernel.Multiply<Five, TLeft>(k, a, lda, b, ldb, c, ldc, beta, bias);
                break;
            case 6:
                TKernel.Multiply<Six, TLeft>(k, a, lda, b, ldb, c, ldc, beta, bias);
                break;
            case 7 when TKernel.Rows >= 7:
                TKernel.Multiply<Seven, TLeft>(k, a, lda, b, ldb, c, ldc, beta, bias);
                break;
            case 8 when TKernel.Rows >= 8:
                TKernel.Multiply<Eight, TLeft>(k, a, lda, b, ldb, c, ldc, beta, bias);
                break;
            case 9 when TKernel.Rows >= 9:
                TKernel.Multiply<Nine, TLeft>(k, a, lda, b, ldb, c, ldc, beta, bias);
                break;
            case 10 when TKernel.Rows >= 10:
                TKernel.Multiply<Ten, TLeft>(k, a, lda, b, ldb, c, ldc, beta, bias);
                break;
            case 11 when TKernel.Rows >= 11:
                TKernel.Multiply<Eleven, TLeft>(k, a, lda, b, ldb, c, ldc, beta, bias);
                break;
            case 12 when TKernel.Rows >= 12:
                TKernel.Multiply<Twelve, TLeft>(k, a, lda, b, ldb, c, ldc, beta, bias);
                break;
            default:
                throw new ArgumentOutOfRangeException(nameof(rows));
        }
    }

    /// <summary>One tile of which only some columns exist in C; B is read at full width.</summary>
    public static void MultiplyPart<TKernel, TLeft>(
        int rows, int columns, int k, float* a, nint lda, float* b, nint ldb, float* c, nint ldc, float beta, float* bias)
        where TKernel : struct, IMicroKernel
        where TLeft : struct, ILeftLayout
    {
        float* tile = stackalloc float[TKernel.Rows * TKernel.Columns];
        Multiply<TKernel, TLeft>(rows, k, a, lda, b, ldb, tile, TKernel.Columns, 0, null);
        for (int i = 0; i < rows; i++)
        {
            float* from = tile + i * TKernel.Columns, to = c + i * ldc;
            for (int j = 0; j < columns; j++)
            {
                float value = bias is null ? from[j] : from[j] + bias[j];
                to[j] = beta == 0 ? value : MathF.FusedMultiplyAdd(beta, to[j], value);
            }
        }
    }

    private readonly struct One : IRows
    {
        public static int Count
        {
            [MethodImpl(MethodImplOptions.AggressiveInlining)]
            get => 1;
        }
    }

    private readonly struct Two : IRows
    {
        public static int Count
        {
            [MethodImpl(MethodImplOptions.AggressiveInlining)]
            get => 2;
        }
    }

    private readonly struct Three : IRows
    {
        public static int Count
        {
            [MethodImpl(MethodImplOptions.AggressiveInlining)]
            get => 3;
        }
    }

    private readonly struct Four : IRows
    {
        public static int Count
        {
            [MethodImpl(MethodImplOptions.AggressiveInlining)]
            get => 4;
        }
    }

    private readonly struct Five : IRows
    {
        public static int Count
        {
            [MethodImpl(MethodImplOptions.AggressiveInlining)]
            get => 5;
        }
    }

    private readonly struct Six : IRows
    {
        public static int Count
        {
            [MethodImpl(MethodImplOptions.AggressiveInlining)]
            get => 6;
        }
    }

    private readonly struct Seven : IRows
    {
        public static int Count
        {
            [MethodImpl(MethodImplOptions.AggressiveInlining)]
            get => 7;
        }
    }

    private readonly struct Eight : IRows
    {
        public static int Count
        {
            [MethodImpl(MethodImplOptions.AggressiveInlining)]
            get => 8;
        }
    }

    private readonly struct Nine : IRows
    {
        public static int Count
        {
            [MethodImpl(MethodImplOptions.AggressiveInlining)]
            get => 9;
        }
    }

    private readonly struct Ten : IRows
    {
        public static int Count
        {
            [MethodImpl(MethodImplOptions.AggressiveInlining)]
            get => 10;
        }
    }

    private readonly struct Eleven : IRows
    {
        public static int Count
        {
            [MethodImpl(MethodImplOptions.AggressiveInlining)]
            get => 11;
        }
    }

    private readonly struct Twelve : IRows
    {
        public static int Count
        {
            [MethodImpl(MethodImplOptions.AggressiveInlining)]
            get => 12;
        }
    }
}
