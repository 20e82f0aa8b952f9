using System.Globalization;
using Adit.Ssh.Wire;

namespace Adit.Server.Processes;

/// <summary>A resource limit (getrlimit(2)).</summary>
internal readonly record struct ResourceLimit(int Resource, ulong Soft, ulong Hard);

/// <summary>Attributes of a process that its children inherit and that PAM's modules set: limits (pam_limits), umask (pam_umask), priority (pam_limits), audit's login id (pam_loginuid).
/// Only those that differ from a process's own: nothing is set where nothing was changed.</summary>
/// <param name="Limits">Limits to set.</param>
/// <param name="Umask">The umask; null to leave it.</param>
/// <param name="Priority">The nice value; null to leave it.</param>
/// <param name="LoginId">/proc/self/loginuid; null to leave it.</param>
/// <param name="ExecContext">What the next program of this thread becomes to SELinux or AppArmor (pam_selinux): /proc/thread-self/attr/exec; empty to leave it.</param>
internal sealed record ProcessAttributes(IReadOnlyList<ResourceLimit> Limits, uint? Umask = null, int? Priority = null, uint? LoginId = null, string ExecContext = "")
{
    /// <summary>Room for all limits: soft and hard.</summary>
    public const int LimitValues = 2 * ResourceCount;

    private const int ResourceCount = 16;
    private const string LoginIdFile = "/proc/self/loginuid", ExecContextFile = "/proc/thread-self/attr/exec";
    private const int MostContext = 4096;

    public static ProcessAttributes None { get; } = new([]);

    public bool IsNone => Limits.Count == 0 && Umask is null && Priority is null && LoginId is null && ExecContext.Length == 0;

    /// <summary>The calling process's, whole.</summary>
    public static unsafe ProcessAttributes OfThisProcess()
    {
        var values = stackalloc ulong[LimitValues];
        ReadLimits(values);
        return OfThisProcess(values);
    }

    /// <summary>The calling process's, with limits that it had: <see cref="LimitValues"/> numbers.</summary>
    public static unsafe ProcessAttributes OfThisProcess(ulong* values)
    {
        var limits = new List<ResourceLimit>();
        for (var resource = 0; resource < ResourceCount; resource++)
        {
            limits.Add(new ResourceLimit(resource, values[2 * resource], values[(2 * resource) + 1]));
        }

        // A umask can only be read by setting it. This process has one thread that makes files: this one.
        var umask = ProcessCalls.SetUmask(0x3F);
        _ = ProcessCalls.SetUmask(umask);
        return new ProcessAttributes(limits, umask, ProcessCalls.GetPriority(0, 0), ReadLoginId(), ReadExecContext());
    }

    /// <summary>What of this is not the same in <paramref name="before"/>.</summary>
    public ProcessAttributes Since(ProcessAttributes before) => new(
        [.. Limits.Except(before.Limits)], Umask == before.Umask ? null : Umask, Priority == before.Priority ? null : Priority, LoginId == before.LoginId ? null : LoginId, ExecContext == before.ExecContext ? "" : ExecContext);

    /// <summary>Reads all limits. Needs no memory, as <see cref="WriteLimits"/> does not: this process may have been left without any (RLIMIT_AS).</summary>
    public static unsafe void ReadLimits(ulong* values)
    {
        for (var resource = 0; resource < ResourceCount; resource++)
        {
            _ = ProcessCalls.SetLimit(0, resource, null, values + (2 * resource));
        }
    }

    /// <summary>Sets all limits, as far as this process may.</summary>
    public static unsafe void WriteLimits(ulong* values)
    {
        for (var resource = 0; resource < ResourceCount; resource++)
        {
            _ = ProcessCalls.SetLimit(0, resource, values + (2 * resource), null);
        }
    }

    /// <summary>Takes the context back from this process: it is for the program, not for what starts that.</summary>
    public void TakeBackContext(ProcessAttributes before)
    {
        if (ExecContext.Length > 0)
        {
            TrySetExecContext(before.ExecContext);
        }
    }

    /// <summary>Sets them, as far as this process may. Before an identity is taken: a hard limit is raised by root alone.</summary>
    public void Apply()
    {
        SetLimits(Limits);
        if (Umask is { } umask)
        {
            _ = ProcessCalls.SetUmask(umask);
        }

        if (Priority is { } priority)
        {
            _ = ProcessCalls.SetPriority(0, 0, priority);
        }

        if (LoginId is { } id && id != ReadLoginId())
        {
            try
            {
                File.WriteAllText(LoginIdFile, id.ToString(CultureInfo.InvariantCulture));
            }
            catch (Exception error) when (error is IOException or UnauthorizedAccessException)
            {
                // A kernel that lets nobody change it; who asks audit is told of the server then.
            }
        }

        if (ExecContext.Length > 0 && !TrySetExecContext(ExecContext))
        {
            // Without it the program would have the server's own rights in that system's eyes.
            throw new Adit.Ssh.SshException(Adit.Ssh.SshError.PolicyDenied, $"cannot have the program run in the context {ExecContext}");
        }
    }

    private static unsafe void SetLimits(IEnumerable<ResourceLimit> limits)
    {
        var values = stackalloc ulong[2];
        foreach (var limit in limits)
        {
            values[0] = limit.Soft;
            values[1] = limit.Hard;
            _ = ProcessCalls.SetLimit(0, limit.Resource, values, null);
        }
    }

    public void Write(ref SshWriter writer)
    {
        writer.WriteUInt32((uint)Limits.Count);
        foreach (var limit in Limits)
        {
            writer.WriteUInt32((uint)limit.Resource);
            writer.WriteUInt64(limit.Soft);
            writer.WriteUInt64(limit.Hard);
        }

        Write(ref writer, Umask);
        Write(ref writer, (uint?)Priority);
        Write(ref writer, LoginId);
        writer.WriteString(OsText.Encode(ExecContext));
    }

    /// <summary>Throws <see cref="Adit.Ssh.SshException"/> for anything that <see cref="Write(ref SshWriter)"/> did not write.</summary>
    public static ProcessAttributes Read(ref SshReader reader, int mostLimits)
    {
        var count = reader.ReadUInt32();
        if (count > mostLimits)
        {
            throw Adit.Ssh.SshException.Protocol($"{count} resource limits");
        }

        var limits = new ResourceLimit[count];
        for (var i = 0; i < limits.Length; i++)
        {
            limits[i] = new ResourceLimit((int)reader.ReadUInt32(), reader.ReadUInt64(), reader.ReadUInt64());
        }

        return new ProcessAttributes(limits, ReadOptional(ref reader), (int?)ReadOptional(ref reader), ReadOptional(ref reader), OsText.Decode(reader.ReadString()));
    }

    private static void Write(ref SshWriter writer, uint? value)
    {
        writer.WriteBoolean(value is not null);
        writer.WriteUInt32(value ?? 0);
    }

    private static uint? ReadOptional(ref SshReader reader)
    {
        var isThere = reader.ReadBoolean();
        var value = reader.ReadUInt32();
        return isThere ? value : null;
    }

    private static uint? ReadLoginId()
    {
        try
        {
            return uint.TryParse(File.ReadAllText(LoginIdFile), NumberStyles.None, CultureInfo.InvariantCulture, out var id) ? id : null;
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            return null;
        }
    }

    /// <summary>Empty where there is none, or no such thing.</summary>
    private static string ReadExecContext()
    {
        try
        {
            using var file = new FileStream(ExecContextFile, FileMode.Open, FileAccess.Read, FileShare.ReadWrite, bufferSize: 0);
            var content = new byte[MostContext];
            return OsText.Decode(content.AsSpan(0, file.Read(content))).TrimEnd('\0', '\n');
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            return "";
        }
    }

    /// <param name="context">Empty for none: a line feed alone says that to the kernel.</param>
    private static bool TrySetExecContext(string context)
    {
        try
        {
            using var file = new FileStream(ExecContextFile, FileMode.Open, FileAccess.Write, FileShare.ReadWrite, bufferSize: 0);
            file.Write(OsText.Encode(context.Length == 0 ? "\n" : context + "\0"));
            return true;
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            return false;
        }
    }
}
