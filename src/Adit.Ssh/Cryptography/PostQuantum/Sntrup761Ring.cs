using System.Numerics;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;

namespace Adit.Ssh.Cryptography.PostQuantum;

/// <summary>Arithmetic of Streamlined NTRU Prime 761: polynomials of degree below p = 761 modulo x^p - x - 1, with coefficients modulo
/// q = 4591 ("R/q", in -2295 to 2295) or modulo 3 ("R/3", in -1 to 1). Nothing here divides, branches or indexes by a coefficient: each may be
/// secret. Buffers hold <see cref="Size"/> coefficients; those from p on are zero, so that whole vectors can be worked on.</summary>
internal static class Sntrup761Ring
{
    public const int P = 761;
    public const int Q = 4591;

    /// <summary>p rounded up to whole vectors.</summary>
    public const int Size = 768;

    // What the division steps need: 2p - 1 of them bring the gcd of two polynomials of degree p and below p to the end, whatever they are.
    private const int DivisionSteps = 2 * P - 1;

    // Room in front of coefficient 0, for shifting by one place.
    private const int Front = 32;

    /// <summary>x mod q, in -2295 to 2295, for x between -2^23.3 and 2^23.3 (two products of coefficients).</summary>
    public static int FreezeQ(int x)
    {
        x -= Q * ((57 * x) >> 18);                     // 57 / 2^18 is a little less than 1 / q
        return x - Q * ((29235 * x + (1 << 26)) >> 27);
    }

    /// <summary>x mod 3, in -1 to 1, for x between -2^13 and 2^13.</summary>
    public static int Freeze3(int x) => x - 3 * ((10923 * x + (1 << 14)) >> 15);

    /// <summary>product = f g in R/q, where g's coefficients are in -1 to 1.</summary>
    public static void MultiplyQ(Span<int> product, ReadOnlySpan<int> f, ReadOnlySpan<int> g)
    {
        Multiply(product, f, g);
        for (int i = 0; i < P; i++)
            product[i] = FreezeQ(product[i]);
    }

    /// <summary>product = f g in R/3.</summary>
    public static void Multiply3(Span<int> product, ReadOnlySpan<int> f, ReadOnlySpan<int> g)
    {
        Multiply(product, f, g);
        for (int i = 0; i < P; i++)
            product[i] = Freeze3(product[i]);
    }

    /// <summary>reciprocal = 1 / (3 f) in R/q. R/q is a field: there is one for every f but zero.</summary>
    public static void Reciprocal3(Span<int> reciprocal, ReadOnlySpan<int> input)
    {
        // Division steps by Bernstein and Yang, "Fast constant-time gcd computation and modular inversion", on the reversed polynomials:
        // v f + (something) g and r f + (something) g stay what they are while g is shifted away.
        Span<int> f = new int[Front + Size], g = new int[Front + Size], v = new int[Front + Size], r = new int[Front + Size];
        r[Front] = -1530; // 1 / 3 mod q
        f[Front] = 1;
        f[Front + P - 1] = f[Front + P] = -1;
        for (int i = 0; i < P; i++)
            g[Front + P - 1 - i] = input[i];
        int delta = 1;
        for (int step = 0; step < DivisionSteps; step++)
        {
            int swap = NegativeMask(-delta) & NonzeroMask(g[Front]);
            delta ^= swap & (delta ^ -delta);
            delta++;
            int change = swap & (f[Front] ^ g[Front]);
            int f0 = f[Front] ^ change, g0 = g[Front] ^ change;
            StepQ(f, g, v, r, swap, f0, g0);
        }
        int scale = InverseQ(f[Front]);
        for (int i = 0; i < P; i++)
            reciprocal[i] = FreezeQ(scale * v[Front + P - 1 - i]);
        reciprocal[P..].Clear();
        f.Clear();
        g.Clear();
        v.Clear();
        r.Clear();
    }

    /// <summary>reciprocal = 1 / f in R/3. False when there is none.</summary>
    public static bool TryReciprocal(Span<int> reciprocal, ReadOnlySpan<int> input)
    {
        Span<sbyte> f = new sbyte[Front + Size], g = new sbyte[Front + Size], v = new sbyte[Front + Size], r = new sbyte[Front + Size];
        r[Front] = 1;
        f[Front] = 1;
        f[Front + P - 1] = f[Front + P] = -1;
        for (int i = 0; i < P; i++)
            g[Front + P - 1 - i] = (sbyte)input[i];
        int delta = 1;
        for (int step = 0; step < DivisionSteps; step++)
        {
            int swap = NegativeMask(-delta) & NonzeroMask(g[Front]);
            delta ^= swap & (delta ^ -delta);
            delta++;
            Step3(f, g, v, r, (sbyte)swap, -f[Front] * g[Front]);
        }
        int sign = f[Front];
        for (int i = 0; i < P; i++)
            reciprocal[i] = sign * v[Front + P - 1 - i];
        reciprocal[P..].Clear();
        f.Clear();
        g.Clear();
        v.Clear();
        r.Clear();
        return delta == 0;
    }

    /// <summary>-1 for x != 0, else 0.</summary>
    public static int NonzeroMask(int x) => (x | -x) >> 31;

    private static int NegativeMask(int x) => x >> 31;

    /// <summary>The product modulo x^p - x - 1, its coefficients not reduced: below 3p times the largest of f.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Multiply(Span<int> product, ReadOnlySpan<int> f, ReadOnlySpan<int> g)
    {
        Span<int> sums = stackalloc int[2 * Size];
        sums.Clear();
        ref int source = ref MemoryMarshal.GetReference(f[..Size]);
        for (int i = 0; i < P; i++)
        {
            var factor = new Vector<int>(g[i]);
            ref int target = ref sums[i];
            for (nuint j = 0; j < Size; j += (nuint)Vector<int>.Count)
                (Vector.LoadUnsafe(ref target, j) + factor * Vector.LoadUnsafe(ref source, j)).StoreUnsafe(ref target, j);
        }
        for (int i = 2 * P - 2; i >= P; i--) // x^p = x + 1
        {
            sums[i - P] += sums[i];
            sums[i - P + 1] += sums[i];
        }
        sums[..P].CopyTo(product);
        product[P..].Clear();
        sums.Clear();
    }

    /// <summary>One division step modulo q: v is shifted up by one; where swap is -1, f and g change places, and v and r do;
    /// then g = (f0 g - g0 f) / x and r = f0 r - g0 v.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)] // vector code is slow until it is compiled in full
    private static void StepQ(Span<int> f, Span<int> g, Span<int> v, Span<int> r, int swap, int f0, int g0)
    {
        var swapMask = new Vector<int>(swap);
        var byF0 = new Vector<int>(f0);
        var byG0 = new Vector<int>(g0);
        ref int fs = ref f[Front];
        ref int gs = ref g[Front];
        ref int gsDown = ref g[Front - 1];
        for (nuint i = 0; i < Size; i += (nuint)Vector<int>.Count)
        {
            var a = Vector.LoadUnsafe(ref fs, i);
            var b = Vector.LoadUnsafe(ref gs, i);
            var change = (a ^ b) & swapMask;
            a ^= change;
            b ^= change;
            a.StoreUnsafe(ref fs, i);
            FreezeQ(byF0 * b - byG0 * a).StoreUnsafe(ref gsDown, i);
        }
        ref int vs = ref v[Front];
        ref int vsUp = ref v[Front - 1]; // one place before coefficient 0, always zero
        ref int rs = ref r[Front];
        for (nuint i = Size; i > 0;)
        {
            i -= (nuint)Vector<int>.Count;
            var a = Vector.LoadUnsafe(ref vsUp, i);
            var b = Vector.LoadUnsafe(ref rs, i);
            var change = (a ^ b) & swapMask;
            a ^= change;
            b ^= change;
            a.StoreUnsafe(ref vs, i);
            FreezeQ(byF0 * b - byG0 * a).StoreUnsafe(ref rs, i);
        }
    }

    /// <summary>One division step modulo 3: as <see cref="StepQ"/>, with g = (g + sign f) / x and r = r + sign v.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Step3(Span<sbyte> f, Span<sbyte> g, Span<sbyte> v, Span<sbyte> r, sbyte swap, int sign)
    {
        var swapMask = new Vector<sbyte>(swap);
        var negative = new Vector<sbyte>((sbyte)NegativeMask(sign));
        var nonzero = new Vector<sbyte>((sbyte)NonzeroMask(sign));
        ref sbyte fs = ref f[Front];
        ref sbyte gs = ref g[Front];
        ref sbyte gsDown = ref g[Front - 1];
        for (nuint i = 0; i < Size; i += (nuint)Vector<sbyte>.Count)
        {
            var a = Vector.LoadUnsafe(ref fs, i);
            var b = Vector.LoadUnsafe(ref gs, i);
            var change = (a ^ b) & swapMask;
            a ^= change;
            b ^= change;
            a.StoreUnsafe(ref fs, i);
            AddSigned(b, a, negative, nonzero).StoreUnsafe(ref gsDown, i);
        }
        ref sbyte vs = ref v[Front];
        ref sbyte vsUp = ref v[Front - 1];
        ref sbyte rs = ref r[Front];
        for (nuint i = Size; i > 0;)
        {
            i -= (nuint)Vector<sbyte>.Count;
            var a = Vector.LoadUnsafe(ref vsUp, i);
            var b = Vector.LoadUnsafe(ref rs, i);
            var change = (a ^ b) & swapMask;
            a ^= change;
            b ^= change;
            a.StoreUnsafe(ref vs, i);
            AddSigned(b, a, negative, nonzero).StoreUnsafe(ref rs, i);
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector<int> FreezeQ(Vector<int> x)
    {
        x -= Q * Vector.ShiftRightArithmetic(57 * x, 18);
        return x - Q * Vector.ShiftRightArithmetic(29235 * x + new Vector<int>(1 << 26), 27);
    }

    /// <summary>x + y, x - y or x modulo 3.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector<sbyte> AddSigned(Vector<sbyte> x, Vector<sbyte> y, Vector<sbyte> negative, Vector<sbyte> nonzero)
    {
        var sum = x + (((y ^ negative) - negative) & nonzero);
        var three = new Vector<sbyte>(3);
        return sum - (Vector.GreaterThan(sum, Vector<sbyte>.One) & three) + (Vector.LessThan(sum, -Vector<sbyte>.One) & three);
    }

    /// <summary>1 / x mod q, as x ^ (q - 2).</summary>
    private static int InverseQ(int x)
    {
        int result = 1;
        for (int bit = 12; bit >= 0; bit--)
        {
            result = FreezeQ(result * result);
            if ((((Q - 2) >> bit) & 1) != 0) // the exponent is no secret
                result = FreezeQ(result * x);
        }
        return result;
    }
}
