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
internal sealed record ProcessAttributes(IReadOnlyList<ResourceLimit> Limits, uint? Umask = null, int? Priority = null, uint? LoginId = null)
{
    private const int ResourceCount = 16;
    private const string LoginIdFile = "/proc/self/loginuid";

    public static ProcessAttributes None { get; } = new([]);

    public bool IsNone => Limits.Count == 0 && Umask is null && Priority is null && LoginId is null;

    /// <summary>The calling process's, whole.</summary>
    public static unsafe ProcessAttributes OfThisProcess()
    {
        var limits = new List<ResourceLimit>();
        var values = stackalloc ulong[2];
        for (var resource = 0; resource < ResourceCount; resource++)
        {
            if (ProcessCalls.SetLimit(0, resource, null, values) == 0)
            {
                limits.Add(new ResourceLimit(resource, values[0], values[1]));
            }
        }

        // A umask can only be read by setting it. This process has one thread that makes files: this one.
        var umask = ProcessCalls.SetUmask(0x3F);
        _ = ProcessCalls.SetUmask(umask);
        return new ProcessAttributes(limits, umask, ProcessCalls.GetPriority(0, 0), ReadLoginId());
    }

    /// <summary>What of this is not the same in <paramref name="before"/>.</summary>
    public ProcessAttributes Since(ProcessAttributes before) => new(
        [.. Limits.Except(before.Limits)], Umask == before.Umask ? null : Umask, Priority == before.Priority ? null : Priority, LoginId == before.LoginId ? null : LoginId);

    /// <summary>Sets them, as far as this process may. Before an identity is taken: a hard limit is raised by root alone.</summary>
    public unsafe void Apply()
    {
        var values = stackalloc ulong[2];
        foreach (var limit in Limits)
        {
            values[0] = limit.Soft;
            values[1] = limit.Hard;
            _ = ProcessCalls.SetLimit(0, limit.Resource, values, null);
        }

        if (Umask is { } umask)
        {
            _ = ProcessCalls.SetUmask(umask);
        }

        if (Priority is { } priority)
        {
            _ = ProcessCalls.SetPriority(0, 0, priority);
        }

        if (LoginId is { } id)
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

        return new ProcessAttributes(limits, ReadOptional(ref reader), (int?)ReadOptional(ref reader), ReadOptional(ref reader));
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
}
