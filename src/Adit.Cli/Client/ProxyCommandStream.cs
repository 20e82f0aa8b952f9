using System.Buffers;
using System.Diagnostics;
using System.Globalization;
using System.Runtime.InteropServices;
using Adit.Cli.CommandLine;
using Adit.Ssh;
using Adit.Ssh.OpenSsh;
using Adit.Ssh.Wire;

namespace Adit.Cli.Client;

/// <summary>A ProxyCommand's standard input and output as the way to the server. Its errors go to ours. Disposing hangs up on it.</summary>
internal sealed partial class ProxyCommandStream : Stream
{
    private const int HangUp = 1;

    /// <summary>What a shell reads as a pattern, a home, the history or a comment.</summary>
    private static readonly SearchValues<char> ShellPatterns = SearchValues.Create("*?[]~!#");

    private readonly Process _process;
    private readonly Stream _input;
    private readonly Stream _output;

    private ProxyCommandStream(Process process)
    {
        _process = process;
        _input = process.StandardInput.BaseStream;
        _output = process.StandardOutput.BaseStream;
    }

    public override bool CanRead => true;

    public override bool CanWrite => true;

    public override bool CanSeek => false;

    public override long Length => throw new NotSupportedException();

    public override long Position
    {
        get => throw new NotSupportedException();
        set => throw new NotSupportedException();
    }

    /// <summary>Puts the tokens in and runs the command by the user's shell, which is what ssh_config(5) promises. Everything put in is checked first: a shell must
    /// not find anything to obey in it (CVE-2023-51385).</summary>
    public static ProxyCommandStream Start(string command, string host, string originalHost, int port, string user)
    {
        var expanded = Expand(command, host, originalHost, port, user);
        var shell = Environment.GetEnvironmentVariable("SHELL") is { Length: > 0 } set ? set : "/bin/sh";
        var start = new ProcessStartInfo(shell) { RedirectStandardInput = true, RedirectStandardOutput = true, UseShellExecute = false };
        start.ArgumentList.Add("-c");
        start.ArgumentList.Add($"exec {expanded}");
        try
        {
            return new ProxyCommandStream(Process.Start(start)!);
        }
        catch (System.ComponentModel.Win32Exception e)
        {
            throw new SshException(SshError.ConnectFailed, $"{shell}: {e.Message}", e) { Hint = "The ProxyCommand is run by the shell that $SHELL names." };
        }
    }

    /// <summary>Puts the tokens in, with everything that goes in checked.</summary>
    public static string Expand(string command, string host, string originalHost, int port, string user)
    {
        foreach (var (value, token) in new[] { (host, "%h"), (originalHost, "%n"), (user, "%r") })
        {
            if (command.Contains(token, StringComparison.Ordinal) && !IsHarmless(value))
            {
                throw new SshException(SshError.Configuration, $"{(token == "%r" ? "remote username" : "hostname")} contains invalid characters")
                {
                    Hint = $"\"{PeerText.Escape(value)}\" would go into the ProxyCommand, that is through a shell, for {token}.",
                };
            }
        }

        return new TokenExpander(
            [new('h', host), new('n', originalHost), new('p', port.ToString(CultureInfo.InvariantCulture)), new('r', user)]).Expand(command);
    }

    /// <summary>A host may be an IPv6 address with a zone; a user may not even hold what a shell would expand.</summary>
    private static bool IsHarmless(string value) =>
        Destination.IsValidHost(value) && !value.AsSpan().ContainsAny(ShellPatterns);

    public override int Read(byte[] buffer, int offset, int count) => _output.Read(buffer, offset, count);

    public override int Read(Span<byte> buffer) => _output.Read(buffer);

    public override ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default) => _output.ReadAsync(buffer, cancellationToken);

    public override Task<int> ReadAsync(byte[] buffer, int offset, int count, CancellationToken cancellationToken) =>
        _output.ReadAsync(buffer.AsMemory(offset, count), cancellationToken).AsTask();

    public override void Write(byte[] buffer, int offset, int count)
    {
        _input.Write(buffer, offset, count);
        _input.Flush();
    }

    public override async ValueTask WriteAsync(ReadOnlyMemory<byte> buffer, CancellationToken cancellationToken = default)
    {
        await _input.WriteAsync(buffer, cancellationToken).ConfigureAwait(false);
        await _input.FlushAsync(cancellationToken).ConfigureAwait(false);
    }

    public override Task WriteAsync(byte[] buffer, int offset, int count, CancellationToken cancellationToken) =>
        WriteAsync(buffer.AsMemory(offset, count), cancellationToken).AsTask();

    public override void Flush() => _input.Flush();

    public override Task FlushAsync(CancellationToken cancellationToken) => _input.FlushAsync(cancellationToken);

    public override long Seek(long offset, SeekOrigin origin) => throw new NotSupportedException();

    public override void SetLength(long value) => throw new NotSupportedException();

    protected override void Dispose(bool disposing)
    {
        if (disposing)
        {
            try
            {
                if (!_process.HasExited)
                {
                    Hang(_process.Id);
                }
            }
            catch (InvalidOperationException)
            {
                // It is gone already.
            }

            CloseQuietly(_input);
            CloseQuietly(_output);
            _process.Dispose();
        }

        base.Dispose(disposing);
    }

    private static void Hang(int process)
    {
        if (!OperatingSystem.IsWindows())
        {
            _ = Kill(process, HangUp);
        }
    }

    private static void CloseQuietly(Stream stream)
    {
        try
        {
            stream.Dispose();
        }
        catch (IOException)
        {
            // What was left to send has nobody to read it.
        }
    }

    [LibraryImport("libc", EntryPoint = "kill")]
    private static partial int Kill(int process, int signal);
}
