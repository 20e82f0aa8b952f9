using Adit.Server.Users;
using Microsoft.Extensions.Logging;

namespace Adit.Server.Sessions;

/// <summary>One login in the files of <see cref="LoginRecords"/>. A disk that hangs can hold a write for longer than it is waited for: the end then comes behind it, and a beginning whose time has
/// passed is not written any more, so no login stays that nobody ends.</summary>
internal sealed class RecordedLogin(LoginRecords records, TerminalLogin login, ILogger logger)
{
    private static readonly TimeSpan Limit = TimeSpan.FromSeconds(5);

    private readonly Lock _turn = new();
    private volatile bool _isOver;
    private bool _hasBegun;

    /// <summary>Records that it begins. Never fails: what cannot be written is logged.</summary>
    public Task BeginAsync() => WriteAsync(isEnd: false);

    /// <summary>Records that it is over, where its beginning was recorded. Never fails.</summary>
    public Task EndAsync()
    {
        _isOver = true;
        return WriteAsync(isEnd: true);
    }

    private async Task WriteAsync(bool isEnd)
    {
        try
        {
            using var limit = new CancellationTokenSource(Limit);
            var token = limit.Token;
            if (!await BlockingWork.RunOrLeaveAsync(() => Write(isEnd, token), token).ConfigureAwait(false))
            {
                logger.LogDebug("the login on {Line} is not in all of {Files}", login.Line, records);
            }
        }
        catch (Exception problem)
        {
            // Whatever it is (no thread can be made): a session does not end, nor fail to begin, for want of a record.
            logger.LogDebug("the login on {Line} cannot be recorded: {Problem}", login.Line, problem.Message);
        }
    }

    private bool Write(bool isEnd, CancellationToken limit)
    {
        lock (_turn)
        {
            if (isEnd ? !_hasBegun : _isOver || limit.IsCancellationRequested)
            {
                return false;
            }

            _hasBegun = true;
            return records.Write(login, isEnd, limit);
        }
    }
}
