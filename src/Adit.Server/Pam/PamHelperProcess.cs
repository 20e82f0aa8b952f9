using System.Buffers.Binary;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using Adit.Server.Processes;
using Adit.Ssh;
using Microsoft.Win32.SafeHandles;

namespace Adit.Server.Pam;

/// <summary>The PAM helper's whole work (docs/adr/0006): one transaction of PAM for one login. Orders come by descriptor 3, reports go by descriptor 4; modules run here, on this process's only
/// first thread, as long as they like. With the session open it starts the login's programs, which are its children and have from it what modules did to it. When the server closes the orders, or is
/// gone, what was opened is closed and the process ends; so it does when it is told to end by a signal (a service manager's, for the session's scope).</summary>
public static unsafe class PamHelperProcess
{
    private const int Orders = 3, Reports = 4;
    private const int Failed = 255;

    private static nint s_handle;
    private static int s_last;
    private static bool s_hasCredentials, s_hasSession;
    private static readonly PamChildren s_children = new(Send);
    private static readonly Lock s_reporting = new();
    private static readonly byte[] s_buffer = new byte[DescriptorSocket.MaxLength];

    /// <summary>Serves until there are no more orders.</summary>
    public static int Run()
    {
        using var terminate = PosixSignalRegistration.Create(PosixSignal.SIGTERM, Stop);
        using var hangUp = PosixSignalRegistration.Create(PosixSignal.SIGHUP, Stop); // comes with the other where a session's scope is stopped
        try
        {
            _ = ProcessCalls.Control(Orders, ProcessCalls.SetDescriptorFlags, 1);
            _ = ProcessCalls.Control(Reports, ProcessCalls.SetDescriptorFlags, 1);
            while (ReadOrder(out var descriptors) is { } order)
            {
                switch (order.Kind)
                {
                    case PamOrderKind.StartProgram when s_hasSession:
                        s_children.Start(order, descriptors);
                        break;
                    case PamOrderKind.Reap:
                        s_children.Reap(order);
                        break;
                    default:
                        Send(Do(order));
                        break;
                }

                Dispose(descriptors);
            }

            return 0;
        }
        catch (SshException problem)
        {
            Console.Error.WriteLine(problem.Message);
            return Failed;
        }
        finally
        {
            End();
        }
    }

    /// <summary>On another thread than the modules': there are no more orders.</summary>
    private static void Stop(PosixSignalContext context)
    {
        context.Cancel = true;
        using var orders = new SafeFileHandle(Orders, ownsHandle: false);
        DescriptorSocket.StopReading(orders);
    }

    private static PamResult Do(PamOrder order) => order.Kind switch
    {
        PamOrderKind.Begin when s_handle == 0 && order.Texts is [var service, var user, var host, var connection] => Begin(service, user, host, connection),
        PamOrderKind.Authenticate when s_handle != 0 => Result(PamCalls.Authenticate(s_handle, order.Flag ? 0 : PamCalls.DisallowNullToken), "pam_authenticate"),
        PamOrderKind.CheckAccount when s_handle != 0 && order.Texts is [var information] => CheckAccount(information),
        PamOrderKind.ChangePassword when s_handle != 0 => Result(PamCalls.ChangeToken(s_handle, PamCalls.ChangeExpiredToken), "pam_chauthtok"),
        PamOrderKind.OpenSession when s_handle != 0 => OpenSession(needsCredentials: order.Flag, [.. order.Numbers]),
        _ => throw SshException.Protocol($"order {order.Kind} at a wrong time"),
    };

    private static PamResult Begin(string service, string user, string host, string connection)
    {
        // Lives as long as the process: modules call it until pam_end.
        var conversation = (PamCalls.Conversation*)NativeMemory.AllocZeroed((nuint)sizeof(PamCalls.Conversation));
        conversation->Converse = &Converse;
        nint handle;
        var code = PamCalls.Start(service, user, conversation, &handle);
        if (code != PamCalls.Success)
        {
            return new PamResult(code, $"error {code}", "pam_start", user);
        }

        s_handle = handle;
        code = PamCalls.SetItem(handle, PamCalls.RemoteHostItem, host);
        if (code == PamCalls.Success)
        {
            // There is no terminal yet, and modules exist that want one: sshd says this, and configurations know it.
            code = PamCalls.SetItem(handle, PamCalls.TerminalItem, "ssh");
        }

        if (code == PamCalls.Success)
        {
            code = PamCalls.PutVariable(handle, "SSH_CONNECTION=" + connection);
        }

        var result = Result(code, "pam_set_item");
        if (!result.IsSuccess)
        {
            End(); // half a transaction is none: nothing may be asked of it
        }

        return result;
    }

    private static PamResult CheckAccount(string information)
    {
        _ = PamCalls.PutVariable(s_handle, "SSH_AUTH_INFO_0=" + information);
        return Result(PamCalls.CheckAccount(s_handle, 0), "pam_acct_mgmt");
    }

    /// <param name="needsCredentials">PAM itself has authenticated: then its credentials are a part of that, and without them there is no session.</param>
    /// <param name="groups">The account's; none where groups are not to be set.</param>
    private static PamResult OpenSession(bool needsCredentials, uint[] groups)
    {
        var limits = stackalloc ulong[ProcessAttributes.LimitValues];
        var left = stackalloc ulong[ProcessAttributes.LimitValues];
        ProcessAttributes.ReadLimits(limits);
        ProcessAttributes.WriteLimits(limits); // a rehearsal: afterwards nothing of it is loaded or compiled for the first time
        var before = ProcessAttributes.OfThisProcess(limits);

        // Credentials may be groups: modules add to those of the account. This process itself goes on with its own.
        uint[]? given = null;
        var own = ProcessGroups.Get();
        var hasGroups = groups.Length > 0 && ProcessGroups.TrySet(groups);
        var credentials = Result(PamCalls.SetCredentials(s_handle, PamCalls.EstablishCredentials), PamCalls.SetCredentialsName);
        s_hasCredentials = credentials.IsSuccess;
        if (hasGroups)
        {
            given = ProcessGroups.Get();
            _ = ProcessGroups.TrySet(own);
        }

        if (needsCredentials && !credentials.IsSuccess)
        {
            return credentials;
        }

        // Limits are for the programs. This process, and what it starts them with, may not be able to live with them: back at once, before anything here needs memory.
        var code = PamCalls.OpenSession(s_handle, 0);
        ProcessAttributes.ReadLimits(left);
        ProcessAttributes.WriteLimits(limits);
        var session = Result(code, "pam_open_session");
        s_hasSession = session.IsSuccess;
        if (!s_hasSession)
        {
            return session;
        }

        var changed = ProcessAttributes.OfThisProcess(left).Since(before);
        changed.TakeBackContext(before);

        // Credentials that could not be had are told, and the session stands: what that means depends on how somebody logged in.
        return (credentials.IsSuccess ? session : credentials) with { Legacy = new PamLegacy(Variables(), changed, given) };
    }

    /// <summary>As long as there is nothing to close this does nothing.</summary>
    private static void End()
    {
        if (s_handle == 0)
        {
            return;
        }

        if (s_hasSession)
        {
            s_last = PamCalls.CloseSession(s_handle, PamCalls.Silent);
        }

        if (s_hasCredentials)
        {
            s_last = PamCalls.SetCredentials(s_handle, PamCalls.DeleteCredentials);
        }

        _ = PamCalls.End(s_handle, s_last);
        s_handle = 0;
    }

    private static List<string> Variables()
    {
        var texts = new List<string>();
        var list = PamCalls.GetVariables(s_handle);
        for (var next = list; next is not null && *next is not null; next++)
        {
            texts.Add(Text(*next));
        }

        return texts; // the list itself goes with the process
    }

    private static PamResult Result(int code, string function)
    {
        s_last = code;
        byte* user;
        _ = PamCalls.GetItem(s_handle, PamCalls.UserItem, &user);
        return new PamResult(code, Text(PamCalls.Describe(s_handle, code)), function, Text(user));
    }

    private static string Text(byte* text) => text is null ? "" : OsText.Decode(MemoryMarshal.CreateReadOnlySpanFromNullTerminated(text));

    // ---- The conversation ------------------------------------------------------------------------------------------

    /// <summary>Called by modules. Nothing may be thrown through them.</summary>
    [UnmanagedCallersOnly(CallConvs = [typeof(CallConvCdecl)])]
    private static int Converse(int count, PamCalls.Message** messages, PamCalls.Response** responses, nint data)
    {
        if (count is <= 0 or > PamCalls.MaxMessages)
        {
            return PamCalls.ConversationError;
        }

        var answers = (PamCalls.Response*)NativeMemory.AllocZeroed((nuint)count, (nuint)sizeof(PamCalls.Response));
        try
        {
            for (var i = 0; i < count; i++)
            {
                var text = new PamText(messages[i]->Style, Text(messages[i]->Text));
                if (text.Style is < PamCalls.PromptHidden or > PamCalls.InformationText)
                {
                    return Refuse(answers, count); // binary prompts and the like: nobody here understands them
                }

                Send(text);
                if (text.IsPrompt && !TryAnswer(&answers[i]))
                {
                    return Refuse(answers, count);
                }
            }

            *responses = answers;
            return PamCalls.Success;
        }
        catch (Exception)
        {
            return Refuse(answers, count);
        }
    }

    private static bool TryAnswer(PamCalls.Response* response)
    {
        if (ReadOrder(out _) is not { Kind: PamOrderKind.Answer, Texts: [var answer] })
        {
            return false;
        }

        var bytes = OsText.Encode(answer);
        try
        {
            if (bytes.Length >= PamCalls.MaxAnswer || bytes.Contains((byte)0))
            {
                return false;
            }

            response->Text = (byte*)NativeMemory.AllocZeroed((nuint)bytes.Length + 1);
            bytes.CopyTo(new Span<byte>(response->Text, bytes.Length));
            return true;
        }
        finally
        {
            System.Security.Cryptography.CryptographicOperations.ZeroMemory(bytes);
        }
    }

    private static int Refuse(PamCalls.Response* answers, int count)
    {
        for (var i = 0; i < count; i++)
        {
            if (answers[i].Text is not null)
            {
                MemoryMarshal.CreateSpan(ref *answers[i].Text, MemoryMarshal.CreateReadOnlySpanFromNullTerminated(answers[i].Text).Length).Clear();
                NativeMemory.Free(answers[i].Text);
            }
        }

        NativeMemory.Free(answers);
        return PamCalls.ConversationError;
    }

    // ---- The pipes -------------------------------------------------------------------------------------------------

    /// <summary>Null at the end. Waits.</summary>
    private static PamOrder? ReadOrder(out IReadOnlyList<SafeFileHandle> descriptors)
    {
        using var orders = new SafeFileHandle(Orders, ownsHandle: false);
        var length = DescriptorSocket.Receive(orders, s_buffer, out descriptors);
        if (length == 0)
        {
            Dispose(descriptors);
            return null;
        }

        var frame = s_buffer.AsSpan(0, length);
        try
        {
            return PamOrder.Read(frame);
        }
        finally
        {
            System.Security.Cryptography.CryptographicOperations.ZeroMemory(frame);
        }
    }

    private static void Dispose(IReadOnlyList<SafeFileHandle> descriptors)
    {
        foreach (var descriptor in descriptors)
        {
            descriptor.Dispose();
        }
    }

    /// <summary>On several threads.</summary>
    private static void Send(PamReport report)
    {
        using var reports = new SafeFileHandle(Reports, ownsHandle: false);
        var body = report.ToArray();
        var frame = new byte[PamFrame.HeaderLength + body.Length];
        BinaryPrimitives.WriteUInt32BigEndian(frame, (uint)body.Length);
        body.CopyTo(frame, PamFrame.HeaderLength);
        lock (s_reporting)
        {
            for (ReadOnlySpan<byte> rest = frame; !rest.IsEmpty;)
            {
                var count = ProcessCalls.Write(reports, rest, out var error);
                if (count < 0)
                {
                    throw new SshException(SshError.FileAccess, $"the server is gone: {ProcessCalls.Describe(error)}");
                }

                rest = rest[count..];
            }
        }
    }
}
